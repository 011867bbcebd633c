"""Slips on paper: printable characters only, a QR code that reads, and a printer that may be away."""

import asyncio

import pytest
from escpos.printer import Dummy
from hypothesis import given, settings
from hypothesis import strategies as st

from hostagent.config import Printer as Setting
from hostagent.printing import layout
from hostagent.printing.printer import NotPrinted, Printer, write

LINK = "http://stall.test/r/ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SLIP = layout.receipt("Käsemarkt – Süd", "Granted: 15 % off now, at most 5,00 €.", "2.40 EUR", LINK, "17:05")


def test_a_slip_has_its_words_and_its_code_and_is_cut():
    device = Dummy()
    write(device, SLIP, 42)
    assert b"Kaesemarkt - Sued" in device.output
    assert b"at most 5,00 EUR" in device.output
    assert LINK.encode() in device.output.replace(b"\n", b"")
    assert b"\x1dv0" in device.output, "a picture: the QR code"
    assert device.output.endswith(b"\x1dV\x00"), "cut"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.integers(24, 64))
def test_no_text_speaks_to_the_printer_or_leaves_the_paper(text, width):
    lines = layout.wrapped(text, width)
    assert all(len(line) <= width for line in lines)
    assert all(" " <= c <= "~" for line in lines for c in line)


def test_without_a_printer_the_slip_is_text_of_its_width():
    text = layout.as_text(layout.numbered("Markt", 7, "SLIP-7-ABCDEFGH", "A sample", "Today only."), 42)
    assert "Slip no. 7" in text and "SLIP-7-ABCDEFGH" in text
    assert max(len(line) for line in text.splitlines()) <= 42


def test_the_printer_of_the_configuration(tmp_path):
    async def scenario():
        with pytest.raises(NotPrinted, match="names no printer"):
            await Printer(Setting()).print(SLIP)
        paper = tmp_path / "paper.bin"
        printer = Printer(Setting("file", path=paper))
        await printer.print(SLIP, layout.voucher("Markt", "2.00 EUR", "SMV1:ABC", "31 October"))
        assert printer.printed == 2
        assert paper.read_bytes().count(b"\x1dV\x00") == 2
        broken = Printer(Setting("network", address="127.0.0.1", port=9))
        with pytest.raises(NotPrinted, match="paper, cover, cable"):
            await broken.print(SLIP)
        assert broken.trouble is not None
        back = Printer(Setting("file", path=paper), open_device=Dummy)
        await asyncio.gather(*(back.print(SLIP) for _ in range(3)))
        assert (back.printed, back.trouble) == (3, None)

    asyncio.run(scenario())
