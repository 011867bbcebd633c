"""Labels as PNG of 62 × 29 mm at 300 dpi, a common printer's size: a QR and a few lines. A brick's: short code, kit, board."""

from collections.abc import Sequence
from pathlib import Path

from stallmark import base32

from workbench.errors import ToolMissing

WIDTH_MM, HEIGHT_MM, DPI = 62, 29, 300


def short_code(brick: bytes) -> str:
    """Eight characters of base32 (RFC 4648) in two groups, from the identity's first five bytes."""
    text: str = base32.encode(brick[:5])
    return f"{text[:4]}-{text[4:8]}"


def content(brick: bytes) -> str:
    """What the QR says: the scheme, and the whole identity in hex. No secret, no address."""
    return f"STALLMARK:BRICK:{brick.hex().upper()}"


def ready() -> None:
    """Raises ToolMissing where labels cannot be drawn: asked before the first board, not after its keys."""
    import importlib.util

    missing = [name for name in ("segno", "PIL") if importlib.util.find_spec(name) is None]
    if missing:
        raise ToolMissing(f"{missing[0]} is not installed: pip install 'stallmark[bench]'")


def write(path: Path, brick: bytes, kit_name: str, board: str, made: str) -> None:
    """Draws a brick's label. `made`: the day, as text. Raises ToolMissing, OSError."""
    draw_label(path, content(brick), ((short_code(brick), 72), (kit_name, 38), (board, 32), (made, 32)))


def draw_label(path: Path, qr: str, lines: Sequence[tuple[str, int]]) -> None:
    """Draws any label: what its QR says, and lines with their sizes in dots; what is too long gets smaller. Raises ToolMissing,
    OSError."""
    try:
        import segno
        from PIL import Image, ImageDraw, ImageFont
    except ModuleNotFoundError as missing:
        raise ToolMissing(f"{missing.name} is not installed: pip install 'stallmark[bench]'") from missing
    width, height = _dots(WIDTH_MM), _dots(HEIGHT_MM)
    picture = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(picture)
    code = segno.make_qr(qr, error="m", boost_error=False)
    rows = [bytes(row) for row in code.matrix]
    scale = (height - _dots(4)) // (len(rows) + 4)
    left = top = (height - scale * len(rows)) // 2
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                at = (left + x * scale, top + y * scale)
                draw.rectangle((*at, at[0] + scale - 1, at[1] + scale - 1), fill=0)
    column = left * 2 + scale * len(rows)
    y = _dots(2.5)
    for text, size in lines:
        font = ImageFont.load_default(size)
        while size > 16 and draw.textlength(text, font=font) > width - column - _dots(1.5):
            size -= 2
            font = ImageFont.load_default(size)
        draw.text((column, y), text, fill=0, font=font)
        y += int(size * 1.35) + 6
    picture.convert("1").save(path, dpi=(DPI, DPI))


def _dots(mm: float) -> int:
    return round(mm * DPI / 25.4)
