"""Long property campaigns: many random schedules against the real parts. The suite runs a few thousand of each."""
