"""Writing campaigns: JSON that people read, checked in plain words, compiled for bricks, and signed.

Called by `stallmark rules`, by `stallmark kit new` and by the controller's console. Nothing here runs on a
kit; what a rule does is decided by firmware/stallmark alone, and what is explained here is read back from the
compiled bytes. """
