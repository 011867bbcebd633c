"""The core: formats and decisions, the same files on brick, host and controller. Sans-IO; MicroPython subset."""
