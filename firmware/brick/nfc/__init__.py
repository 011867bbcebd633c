"""The NFC reader: PN532 frames, serial bus, chip, Type 2 tags, and the task that watches for cards."""
