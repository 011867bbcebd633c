"""Vouchers on the firmware under MicroPython: tables made when nobody is there, kept, never believed when damaged."""

import asyncio
from pathlib import Path

from boards.partitions import find
from bricklab import FLASH_BYTES, Host, Lab
from stallmark import registry as reg
from stallmark.combstore import BASE, MAGIC
from test_brick_exchange import ISSUER, kit, text

COMBS = find(FLASH_BYTES, "combs")[0]
WHITE = (1, 1, 1)
PUBLIC = ISSUER.verify_key.encode()


def tables(lab: Lab) -> dict[bytes, int]:
    """Keys that have a table in flash, and its place."""
    with lab.flash.open("rb") as image:
        image.seek(COMBS)
        headers = image.read(4096)
    pages = [headers[at : at + 256] for at in range(0, 4096, 256)]
    return {page[6:38]: page[5] for page in pages if page.startswith(MAGIC)}


async def shown(lab: Lab, host: Host, code: bytes, kind: int) -> None:
    """A code stays before the scanner until a record of this kind is at the host."""
    before = len(host.of_kind(kind))
    assert lab.brick.scanner is not None
    lab.brick.scanner.show(code)
    await lab.until(lambda: len(host.of_kind(kind)) > before, f"record of kind {kind}", 90)
    lab.brick.scanner.hide()


def test_tables_are_made_when_nobody_is_there_and_a_damaged_one_decides_nothing(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "brick", ("qr",)) as lab:
            host = await kit(lab)
            await lab.until(lambda: set(tables(lab)) == {BASE, PUBLIC}, "two tables", 90)
            await lab.restart()
            await lab.ready()
            await shown(lab, host, text(1), reg.KIND_REDEEM)
            assert WHITE in lab.colours, "meanwhile"
            await lab.brick.stop()
            place = tables(lab)[PUBLIC]
            with lab.flash.open("r+b") as image:
                image.seek(COMBS + 4096 + 3 * 4096 * place)
                image.write(bytes(3 * 4096))
            await lab.brick.start()
            await lab.ready()
            await shown(lab, host, text(2), reg.KIND_REDEEM)  # checked without the table
            await shown(lab, host, text(3, forged=True), reg.KIND_DENY)
            assert host.of_kind(reg.KIND_DENY)[-1].fields[14][0] == reg.REASON_VOUCHER_FALSE
            await lab.until(lambda: set(tables(lab)) == {BASE, PUBLIC}, "the table made anew", 90)

    asyncio.run(market())
