"""What a camera would see: the code in a picture file."""

from pathlib import Path

import zxingcpp
from PIL import Image, UnidentifiedImageError


class NoCode(ValueError):
    """There is no readable code in the picture; the text says so and names the file."""


def decode(path: Path) -> bytes:
    """The bytes of the first QR code in a picture (PNG, JPEG …). Raises NoCode, OSError."""
    try:
        with Image.open(path) as picture:
            found = zxingcpp.read_barcodes(picture.convert("L"))
    except UnidentifiedImageError as error:
        raise NoCode(f"{path} is not a picture") from error
    for code in found:
        if code.bytes:
            return bytes(code.bytes)
    raise NoCode(f"{path} shows no QR code that can be read")
