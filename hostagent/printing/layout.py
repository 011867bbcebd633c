"""What stands on a slip: plain text of one width, in characters that every printer's code page has."""

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

# What NFKD leaves as it is, and printers have not
_PLAIN = str.maketrans({
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "þ": "th", "Þ": "Th", "€": "EUR", "£": "GBP", "¥": "JPY", "–": "-", "—": "-", "−": "-",
    "‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "…": "...", "·": "-",
    "\u00a0": " ", "\u202f": " ", "×": "x",
})  # fmt: skip
# German as people write it without dots
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


class Slip(NamedTuple):
    """A slip to print. `title` large; `lines` wrapped; `code` as QR, None for none; `under` below it."""

    title: str
    lines: Sequence[str]
    code: str | None = None
    under: Sequence[str] = ()


def plain(text: str) -> str:
    """Text in printable ASCII: letters lose their marks, what is unknown becomes a question mark, nothing else gets
    through, so that no text can speak to the printer in commands."""
    spelled = unicodedata.normalize("NFC", text).translate(_UMLAUTS).translate(_PLAIN)
    bare = "".join(c for c in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in bare.translate(_PLAIN))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters; a word longer than that is cut."""
    return textwrap.wrap(plain(text), width) or [""]


def receipt(market: str, sentence: str, credit: str | None, link: str, at: str) -> Slip:
    """The customer's slip of one decision. `credit`: an amount as text, None where there is none; `at`: local time."""
    lines = [sentence, ""]
    if credit is not None:
        lines.append(f"Off this purchase: {credit}")
    return Slip(market, [*lines, at], link, ["Your receipt:", link, "This is not a fiscal receipt."])


def numbered(market: str, number: int, code: str, worth: str, terms: str) -> Slip:
    """A numbered paper slip, paid once at the till."""
    return Slip(market, [f"Slip no. {number}", worth], code, [code, "Good once, at this stall.", terms])


def voucher(market: str, worth: str, text: str, until: str) -> Slip:
    """A voucher for later."""
    return Slip(
        market, [worth, f"Good until {until}."], text, ["Single use: whoever brings it first is paid."]
    )


def as_text(slip: Slip, width: int) -> str:
    """The slip without a printer: its QR code's content stands in the lines under it."""
    lines = [line.center(width).rstrip() for line in wrapped(slip.title, width)]
    for part in (*slip.lines, *([] if slip.code is None else [f"[{plain(slip.code)}]"]), *slip.under):
        lines += wrapped(part, width)
    return "\n".join(lines) + "\n"
