"""ESP32: the first file that MicroPython runs. It closes the door that main.py keeps shut (docs/bench.md, Production lock).

A 03 on the console interrupts a program, and what follows is an open prompt. Here and in main.py the first thing done is
to make it an ordinary byte; one that came just before is raised inside the loop below, and caught.
"""

try:
    import micropython

    micropython.kbd_intr(-1)
    for _ in range(4):
        pass  # a pending interrupt is raised where a loop turns
except KeyboardInterrupt:
    pass
