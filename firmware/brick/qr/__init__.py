"""The QR module: its command codec and the task that configures it and splits its lines."""
