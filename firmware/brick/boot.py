"""ESP32: the first file that MicroPython runs. It closes the door that main.py keeps shut (docs/bench.md, Production lock).

A 03 on the console interrupts a program, and what follows is an open prompt. Here and in main.py the first thing done is
to make it an ordinary byte; one that came just before is raised inside the loop below, and caught. main.py is run from
here: where it is missing or cannot be read, MicroPython would go on to its prompt.
"""

try:
    try:
        import micropython

        micropython.kbd_intr(-1)
        for _ in range(4):
            pass  # a pending interrupt is raised where a loop turns
    except KeyboardInterrupt:
        pass
    import main  # type: ignore # noqa: F401  it never comes back
except BaseException as error:  # noqa: BLE001  whatever it was, no prompt follows
    import sys

    sys.print_exception(error)  # type: ignore
finally:
    import micropython

    micropython.kbd_intr(-1)
    import time

    import machine

    time.sleep_ms(1000)
    machine.reset()
