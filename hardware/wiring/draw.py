"""`make hardware`: a wiring drawing and a parts list for every pin map, from the same data as the firmware's (boards.pins).

Writes <board>.png, <board>.svg and <board>.bom.tsv beside this file. WireViz draws, Graphviz lays out.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from boards.models import MODELS
from boards.pins import BOARDS

HERE = Path(__file__).parent
BOM_HEADER = ("part", "count", "type", "note")

# What hangs on each signal: module, its pins as printed on it, wire colours (IEC 60757), parts for the list.
PN532 = ("PN532 module, DIP switches on HSU (0 0)", ("VCC", "GND", "TXD", "RXD", "RSTPD_N"))
PN532_SPI = (
    "PN532 module, DIP switches on SPI (0 1)",
    ("VCC", "GND", "SCK", "MOSI", "MISO", "SS", "RSTPD_N"),
)
GM65 = ("GM65 / GM861 QR module", ("VCC", "GND", "TXD", "RXD"))
# Blue and green want about 3 V: from a 3.3 V pin next to nothing is left for the resistor, and sunlight wins.
LIGHT = (
    "RGB LED, common anode at 5V; each colour through a BC337 (1 kΩ at its base): red 150 Ω, green and blue 100 Ω",
    ("R", "G", "B", "5V", "GND"),
)
BUZZER = (
    "passive buzzer on a BC337 (1 kΩ), 1N4148 across the buzzer, its ring at VCC",
    ("SIGNAL", "VCC", "GND"),
)
# Only a bare cell can be measured: behind a converter there are 5 V until it is dark.
PACKS = (
    "tap at each Li-ion cell, before its 5 V converter: 100 kΩ from the cell, 100 kΩ to GND, 100 nF",
    ("MAIN ÷2", "BACK-UP ÷2", "CHARGING", "GND"),
)
CELLS = (
    "terminals of the cells (3.0 to 4.2 V); a power bank has none and is not measured",
    ("MAIN +", "BACK-UP +", "−"),
)
CABLE = ("3.3 V serial cable (CP2102N), its USB to the host", ("RXD", "TXD", "GND"))
_WIRE = {"gauge": "0.14 mm2", "length": 0.15}


def signals(name: str) -> list[tuple[str, str, int | str, str]]:
    """(module, its pin, GPIO or supply pin of the board, colour) of every wire."""
    pins: dict[str, Any] = BOARDS[name]
    five, ground, three = MODELS[name]["power_pin"]
    wires: list[tuple[str, str, int | str, str]] = []
    for part in pins["parts"]:
        module = "Reader" if part == "nfc" else "Scanner"
        wires += [
            (module, "VCC", three if part == "nfc" else five, "RD"),
            (module, "GND", ground, "BK"),
        ]
        wires += _spi(pins) if part + "_spi" in pins else _uart(module, pins[part])
    if pins["nfc_reset"] is not None:
        wires.append(("Reader", "RSTPD_N", pins["nfc_reset"], "WH"))
    wires += [
        ("Light", pin, gpio, colour)
        for pin, gpio, colour in zip("RGB", pins["light"], ("RD", "GN", "BU"), strict=True)
    ]
    wires += [("Light", "5V", five, "PK"), ("Light", "GND", ground, "BK")]
    wires += [
        ("Sound", "SIGNAL", pins["sound"], "OG"),
        ("Sound", "VCC", three, "RD"),
        ("Sound", "GND", ground, "BK"),
    ]
    power = pins.get("power") or {}
    for source, pin, colour in (("main", "MAIN ÷2", "VT"), ("backup", "BACK-UP ÷2", "GY")):
        if power.get(source):
            wires.append(("Packs", pin, power[source][0], colour))
    if power.get("charging") is not None:
        wires.append(("Packs", "CHARGING", power["charging"], "BN"))
    if power:
        wires.append(("Packs", "GND", ground, "BK"))
    if isinstance(MODELS[name]["silk"], dict):  # no bridge on the board: the link is a cable of its own
        wires += [
            ("Link", "RXD", pins["link"]["tx"], "YE"),
            ("Link", "TXD", pins["link"]["rx"], "GN"),
            ("Link", "GND", ground, "BK"),
        ]
    return wires


def _uart(module: str, wires: dict[str, int]) -> list[tuple[str, str, int | str, str]]:
    return [(module, "TXD", wires["rx"], "GN"), (module, "RXD", wires["tx"], "YE")]


def _spi(pins: dict[str, Any]) -> list[tuple[str, str, int | str, str]]:
    wires = pins["nfc_spi"]
    return [
        ("Reader", "SCK", wires["sck"], "YE"),
        ("Reader", "MOSI", wires["mosi"], "BU"),
        ("Reader", "MISO", wires["miso"], "GN"),
        ("Reader", "SS", wires["cs"], "OG"),
    ]


def harness(name: str) -> dict[str, Any]:
    """WireViz's description of one board."""
    model = MODELS[name]
    reader = PN532_SPI if "nfc_spi" in BOARDS[name] else PN532
    kinds = {
        "Reader": reader,
        "Scanner": GM65,
        "Light": LIGHT,
        "Sound": BUZZER,
        "Packs": PACKS,
        "Link": CABLE,
    }
    wires = signals(name)
    used = [module for module in kinds if any(wire[0] == module for wire in wires)]
    labels: list[str] = []
    for _, _, gpio, _ in wires:
        label = pin_label(name, gpio)
        if label not in labels:
            labels.append(label)
    connectors: dict[str, Any] = {
        "Board": {
            "type": model["title"],
            "subtype": f"pin map {name}",
            "pins": labels,
            "show_pincount": False,
            "notes": f"Power and data: {model['usb']}",
        }
    }
    cables: dict[str, Any] = {}
    connections: list[Any] = []
    for module in used:
        kind, pinlabels = kinds[module]
        mine = [wire for wire in wires if wire[0] == module]
        shown = [pin for pin in pinlabels if any(wire[1] == pin for wire in mine)]
        connectors[module] = {"type": kind, "pins": list(shown), "show_pincount": False}
        cable = f"W {module.lower()}"
        cables[cable] = {"wirecount": len(mine), "colors": [wire[3] for wire in mine], **_WIRE}
        connections.append(
            [
                {"Board": [pin_label(name, wire[2]) for wire in mine]},
                {cable: list(range(1, len(mine) + 1))},
                {module: [wire[1] for wire in mine]},
            ]
        )
    sources = _sources(name)
    if sources:
        # Not wires of the board: from the cells to the dividers, so that the drawing shows where these tap.
        taps = [f"cell {at}" for _, at in sources]
        connectors["Packs"]["pins"] += [*taps, "cells −"]
        connectors["Cells"] = {
            "type": CELLS[0],
            "pins": [*(at for _, at in sources), "−"],
            "show_pincount": False,
        }
        count = len(sources) + 1
        cables["W cells"] = {"wirecount": count, "colors": ["RD", "RD", "BK"][-count:], **_WIRE}
        connections.append(
            [
                {"Packs": [*taps, "cells −"]},
                {"W cells": list(range(1, count + 1))},
                {"Cells": [*(at for _, at in sources), "−"]},
            ]
        )
    return {"connectors": connectors, "cables": cables, "connections": connections}


def _sources(name: str) -> list[tuple[str, str]]:
    """(divider, terminal of its cell) of every pack that is measured."""
    power: dict[str, Any] = BOARDS[name].get("power") or {}
    known = (("main", "MAIN ÷2", "MAIN +"), ("backup", "BACK-UP ÷2", "BACK-UP +"))
    return [(pin, at) for source, pin, at in known if power.get(source)]


def pin_label(name: str, gpio: int | str) -> str:
    """What is printed beside a pin, and its GPIO where that is another name."""
    if isinstance(gpio, str):
        return gpio
    silk = MODELS[name]["silk"]
    return f"{silk[gpio]} (GPIO {gpio})" if isinstance(silk, dict) else silk.format(gpio)


def bill(name: str) -> list[tuple[str, int, str, str]]:
    """Parts of one brick: what, how many, type, note."""
    pins: dict[str, Any] = BOARDS[name]
    rows = [("board", 1, MODELS[name]["title"], f"interpreter image {MODELS[name]['image']}")]
    if "nfc" in pins["parts"]:
        bus = "SPI" if "nfc_spi" in pins else "HSU"
        rows.append(
            (
                "NFC reader",
                1,
                f"PN532 module with {bus}",
                f"set its switches to {bus}; RSTPD_N must be led out",
            )
        )
    if "qr" in pins["parts"]:
        rows.append(("QR scanner", 1, "GM65 or GM861", "UART cable; 5 V"))
    rows += [
        ("light", 1, "RGB LED 10 mm, diffuse, common anode, 20 mA", "anode at 5V: seen in daylight"),
        ("resistor", 1, "150 Ω", "red, between LED and collector"),
        ("resistor", 2, "100 Ω", "green and blue, between LED and collector"),
        ("buzzer", 1, "passive, magnetic, 3.3 V", ""),
        ("diode", 1, "1N4148", "across the buzzer, ring at VCC: takes what its coil gives back"),
        ("transistor", 4, "BC337", "three for the light, one for the buzzer; emitters at GND"),
        ("resistor", 4, "1 kΩ", "one at each base"),
    ]
    sources = len(_sources(name))
    if sources:
        rows += [
            ("resistor", 2 * sources, "100 kΩ, 1 %", "dividers of the packs"),
            ("capacitor", sources, "100 nF", "at each divider's tap"),
            (
                "pack",
                sources,
                "one Li-ion cell with 5 V converter and charger, cell terminal led out",
                "measured at the cell; a USB power bank works too and is not measured: wire its tap to GND",
            ),
        ]
    if isinstance(MODELS[name]["silk"], dict):
        rows.append(("serial cable", 1, "CP2102N, 3.3 V", "the link: this board has no USB bridge"))
    rows.append(
        ("wire", len(signals(name)) + (sources + 1 if sources else 0), "0.14 mm², 15 cm", "colours as drawn")
    )
    return rows


def draw(name: str, out: Path) -> None:
    """Writes one board's files."""
    import yaml
    from wireviz.wireviz import parse

    text = yaml.safe_dump(harness(name), allow_unicode=True, sort_keys=False)
    parse(yaml.safe_load(text), output_formats=("png", "svg"), output_dir=out, output_name=name)
    _smaller(out / f"{name}.png")
    lines = ["\t".join(BOM_HEADER)] + ["\t".join(str(cell) for cell in row) for row in bill(name)]
    (out / f"{name}.bom.tsv").write_text("\n".join(lines) + "\n")


def _smaller(path: Path) -> None:
    """The same picture in 48 colours: a third of the bytes."""
    from PIL import Image

    Image.open(path).convert("RGB").quantize(48).save(path, optimize=True)


def main() -> int:
    """Draws every board, or those that are named."""
    parser = argparse.ArgumentParser(prog="make hardware", description=__doc__)
    parser.add_argument("boards", nargs="*", help="pin maps; all where none is named")
    parser.add_argument("--out", type=Path, default=HERE)
    chosen = parser.parse_args()
    if shutil.which("dot") is None:
        print(
            "Graphviz is missing: install it (Debian: apt install graphviz) and run make hardware again.",
            file=sys.stderr,
        )
        return 1
    unknown = set(chosen.boards) - set(BOARDS)
    if unknown:
        print(
            f"no pin map {', '.join(sorted(unknown))}; there are {', '.join(sorted(BOARDS))}", file=sys.stderr
        )
        return 1
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in chosen.boards or sorted(BOARDS):
        draw(name, chosen.out)
        print(f"{chosen.out / name}.png, .svg, .bom.tsv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
