"""How this board's reader is wired: the bus that nfc.pn532 drives, on the UART (HSU) or on SPI."""


def of(port, ticks):
    """The bus of a port's reader. Only the driver of the one that is there is loaded. Raises OSError."""
    if getattr(port, "nfc_bus", "hsu") == "spi":
        from brick.nfc.spi import Spi

        return Spi(port.spi("nfc"), ticks)
    from brick import config
    from brick.line import Line
    from brick.nfc.hsu import Hsu

    return Hsu(Line(port.uart("nfc", config.NFC_BAUD)), ticks)
