"""The virtual kit: byte-level models of every part, and the real firmware run against them.

Parts, sans-IO with time as an argument: `pn532` (over `initiator`, `rf`, `tags`, `othertags`, `dumps`),
`qrmodule` (pictures by `qrimage`), `wire`; what can be wrong with them: `faults`.
Around them: `pty` puts a part on a pseudo-terminal, `pins` stamps light and sound, `brick_process` is
MicroPython with the firmware, `brick` is all of one brick, `kit` all bricks of a folder, `control` the socket
through which other programs tap and scan. `upy/` is the MicroPython side: the board's port, flash in a file.
"""
