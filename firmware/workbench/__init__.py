"""The technician's side, on CPython: provision bricks and put firmware on boards. Not part of the firmware."""
