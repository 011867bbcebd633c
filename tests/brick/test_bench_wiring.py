"""The wiring drawings come from the pin maps: every wire that the firmware uses, and no other; Graphviz draws one."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from boards import check, pins

DRAW = Path(__file__).parents[2] / "hardware" / "wiring" / "draw.py"
spec = importlib.util.spec_from_file_location("wiring_draw", DRAW)
draw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw)


@pytest.mark.parametrize("name", sorted(pins.BOARDS))
def test_every_pin_of_the_map_is_a_wire(name):
    wired = {gpio for _, _, gpio, _ in draw.signals(name) if isinstance(gpio, int)}
    used = {pin for pin, what, _ in check.uses(pins.BOARDS[name]) if not what.startswith("link")}
    link = set(pins.BOARDS[name]["link"].values())
    assert wired - link == used
    assert wired >= link or not name.startswith("xiao")
    # A reader's TXD leads to our RX.
    for part, module in (("nfc", "Reader"), ("qr", "Scanner")):
        if part in pins.BOARDS[name]:
            assert (module, "TXD", pins.BOARDS[name][part]["rx"], "GN") in draw.signals(name)


def test_a_reader_on_spi_is_drawn_with_its_four_wires_and_its_switches():
    name = "esp32s3-8m-nfc-qr"
    wires, drawn = pins.BOARDS[name]["nfc_spi"], draw.signals(name)
    for pin, wire in (("SCK", "sck"), ("MOSI", "mosi"), ("MISO", "miso"), ("SS", "cs")):
        assert [gpio for module, at, gpio, _ in drawn if (module, at) == ("Reader", pin)] == [wires[wire]]
    assert "SPI (0 1)" in draw.harness(name)["connectors"]["Reader"]["type"]
    assert ("NFC reader", "PN532 module with SPI") in {(part, kind) for part, _, kind, _ in draw.bill(name)}
    assert {module for module, *_ in drawn} >= {"Reader", "Scanner"}


@pytest.mark.parametrize("name", sorted(pins.BOARDS))
def test_packs_are_tapped_at_the_cell_and_a_light_gets_what_it_needs(name):
    drawn = draw.harness(name)
    measured = [one for one in ("main", "backup") if pins.BOARDS[name].get("power", {}).get(one)]
    assert len(drawn["connectors"]["Cells"]["pins"]) == len(measured) + 1
    assert any("Cells" in end for end in drawn["connections"][-1])
    parts = {(part, kind): count for part, count, kind, _ in draw.bill(name)}
    assert parts["diode", "1N4148"] == 1
    assert parts["transistor", "BC337"] == parts["resistor", "1 kΩ"] == len(pins.BOARDS[name]["light"]) + 1
    assert ("Light", "5V", "5V", "PK") in draw.signals(name)


def test_what_lies_in_the_folder_is_of_these_pin_maps():
    for name in pins.BOARDS:
        rows = [line.split("\t") for line in (DRAW.parent / f"{name}.bom.tsv").read_text().splitlines()[1:]]
        assert rows == [[str(cell) for cell in row] for row in draw.bill(name)], "run make hardware"
        svg = (DRAW.parent / f"{name}.svg").read_text()
        for _, _, gpio, _ in draw.signals(name):
            assert draw.pin_label(name, gpio) in svg, "run make hardware"
        assert (DRAW.parent / f"{name}.png").stat().st_size < 150_000


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz (dot) is not installed")
def test_a_drawing_is_made(tmp_path):
    draw.draw("esp32-4m-qr", tmp_path)
    assert (tmp_path / "esp32-4m-qr.png").read_bytes().startswith(b"\x89PNG")
    assert "IO19" in (tmp_path / "esp32-4m-qr.svg").read_text()
