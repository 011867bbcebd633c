"""Flash partitions, fixed for ever, once for each flash size. docs/formats/flash.md is the same table."""

# (name, offset, size) in bytes
PARTITIONS_8M = (
    ("nvs", 0x9000, 0x4000),
    ("otadata", 0xD000, 0x2000),
    ("phy", 0xF000, 0x1000),
    ("ota_0", 0x10000, 0x270000),
    ("ota_1", 0x280000, 0x270000),
    ("keys", 0x4F0000, 0x2000),
    ("boots", 0x4F2000, 0x2000),
    ("combs", 0x4F4000, 0xA000),
    ("trust", 0x4FE000, 0x2000),
    ("rules_a", 0x500000, 0x10000),
    ("rules_b", 0x510000, 0x10000),
    ("journal", 0x520000, 0x100000),
    ("app_a", 0x620000, 0x90000),
    ("app_b", 0x6B0000, 0x90000),
    ("vfs", 0x740000, 0xC0000),
)
PARTITIONS_4M = (
    ("nvs", 0x9000, 0x4000),
    ("otadata", 0xD000, 0x2000),
    ("phy", 0xF000, 0x1000),
    ("factory", 0x10000, 0x200000),
    ("keys", 0x210000, 0x2000),
    ("boots", 0x212000, 0x2000),
    ("combs", 0x214000, 0xA000),
    ("trust", 0x21E000, 0x2000),
    ("rules_a", 0x220000, 0x10000),
    ("rules_b", 0x230000, 0x10000),
    ("journal", 0x240000, 0x60000),
    ("app_a", 0x2A0000, 0x80000),
    ("app_b", 0x320000, 0x80000),
    ("vfs", 0x3A0000, 0x60000),
)

# type and subtype in ESP-IDF's table; raw partitions use subtypes that nothing of ESP-IDF touches
_ESP32_TYPES = (
    ("nvs", "data", "nvs"),
    ("otadata", "data", "ota"),
    ("phy", "data", "phy"),
    ("factory", "app", "factory"),
    ("ota_0", "app", "ota_0"),
    ("ota_1", "app", "ota_1"),
    ("keys", "data", "0x40"),
    ("rules_a", "data", "0x41"),
    ("rules_b", "data", "0x42"),
    ("journal", "data", "0x43"),
    ("app_a", "data", "0x44"),
    ("app_b", "data", "0x45"),
    ("boots", "data", "0x46"),
    ("combs", "data", "0x47"),
    ("trust", "data", "0x48"),
    ("vfs", "data", "fat"),
)


def table(flash_bytes):
    """The partitions of a board with `flash_bytes` of flash: 8 MiB or more, or 4 MiB. Raises ValueError
    below."""
    if flash_bytes >= 8 << 20:
        return PARTITIONS_8M
    if flash_bytes >= 4 << 20:
        return PARTITIONS_4M
    raise ValueError("flash of {} bytes: expected at least 4 MiB".format(flash_bytes))


def find(flash_bytes, name):
    """`(offset, size)` of a partition. Raises KeyError where this flash size has none of that name."""
    for entry, offset, size in table(flash_bytes):
        if entry == name:
            return offset, size
    raise KeyError(name)


def esp32_csv(flash_bytes):
    """ESP-IDF's partition table as CSV text, the input of gen_esp32part and mp-image-tool-esp32."""
    lines = ["# Name, Type, SubType, Offset, Size"]
    for name, offset, size in table(flash_bytes):
        for known, kind, subtype in _ESP32_TYPES:
            if known == name:
                lines.append("{}, {}, {}, 0x{:x}, 0x{:x}".format(name, kind, subtype, offset, size))
    return "\n".join(lines) + "\n"
