"""Links to bricks: a serial port that may come and go, and the session on it."""
