"""A UART as the drivers see it: bytes in without blocking the loop, whole frames out."""

import asyncio


class Line:
    """`uart` is machine.UART, or a raw terminal whose `readinto` gives what is there."""

    open = True  # a cable says nothing of who is at its other end
    busy = False  # its bytes are gone as soon as they are written

    def __init__(self, uart):
        self._uart = uart
        self._reader = asyncio.StreamReader(uart)

    async def readinto(self, buffer):
        """Wait for bytes; the number read into `buffer`, 0 where the line only pretended."""
        return await self._reader.readinto(buffer) or 0

    def write(self, data):
        """Hand bytes to the UART, whose transmit buffer takes a whole frame."""
        self._uart.write(data)

    def proven(self):
        """The host has shown its keys; a cable does not care."""
