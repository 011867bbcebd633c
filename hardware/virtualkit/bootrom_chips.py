"""What differs between chips when their boot ROM is asked: identity, registers, where flash is wired (data only).

Sources: ESP-IDF technical reference manuals (eFuse and SPI chapters), esptool's serial protocol page.
"""

from dataclasses import dataclass, field

CHIP_ID_REGISTER = 0x40001000  # "magic" word by which chips without a security command are told apart


@dataclass(frozen=True)
class ChipModel:
    """One chip's ROM.

    chip_id     answered to GET_SECURITY_INFO; None: this ROM does not know that command
    registers   words that are not zero at start
    spi_base, usr2, w0   addresses of the flash controller's registers
    """

    name: str
    chip_id: int | None
    spi_base: int
    usr2: int
    w0: int
    registers: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def bootloader_offset(self) -> int:
        """Where the second-stage boot loader lies in flash."""
        return 0x1000 if self.name == "ESP32" else 0


# MAC 24:0a:c4:12:34:56, and a 40 MHz crystal as the UART divider of 115,200 Bd shows it.
ESP32 = ChipModel(
    "ESP32",
    None,
    0x3FF42000,
    0x3FF42024,
    0x3FF42080,
    {
        CHIP_ID_REGISTER: 0x00F01D83,
        0x3FF5A004: 0xC4123456,
        0x3FF5A008: 0x0000240A,
        0x3FF40014: 347,
        0x3FF5A00C: 0x00008000,
        0x3FF6607C: 0x80000000,
    },
)
# MAC 7c:df:a1:65:43:21.
ESP32_S3 = ChipModel(
    "ESP32-S3",
    9,
    0x60002000,
    0x60002020,
    0x60002058,
    {0x60007044: 0xA1654321, 0x60007048: 0x00007CDF, 0x60000014: 347},
)
# A chip that Stallmark does not run on: what a technician may have bought by mistake.
ESP32_C3 = ChipModel(
    "ESP32-C3",
    5,
    0x60002000,
    0x60002020,
    0x60002058,
    {0x60008844: 0xA1654321, 0x60008848: 0x00007CDF, 0x60000014: 347},
)
CHIPS = {chip.name: chip for chip in (ESP32, ESP32_S3, ESP32_C3)}

# JEDEC identity of a Winbond W25Q flash by its size: manufacturer EF, type 40, 2 ** n bytes.
JEDEC = {
    size: 0x0040EF | n << 16
    for n, size in ((0x15, 2 << 20), (0x16, 4 << 20), (0x17, 8 << 20), (0x18, 16 << 20))
}
NO_FLASH = 0xFFFFFF
