"""The PN532 as initiator: targets, MIFARE commands, raw frames, and the time each takes (UM0701-02 §7.3)."""

from typing import cast

from virtualkit.rf import ACK, Field, IsoDepTag, MifareTag, Presence, Reply, State, crc_a
from virtualkit.timing import MS

OK = 0x00
TIMEOUT = 0x01
CRC_ERROR = 0x02
FORMAT_ERROR = 0x13
AUTH_ERROR = 0x14
BAD_CONTEXT = 0x27

TX_MODE = 0x6302
RX_MODE = 0x6303
TX_CONTROL = 0x6304
FIFO_DATA = 0x6339
_CRC = 0x80
_SENS_REQ = 0x26
_SEL_REQ = 0x93

# Air times, as an order of magnitude: NTAG213 data sheet (READ 1.55 ms, WRITE with its EEPROM 4.6 ms).
FIELD_UP = 5 * MS
ATTEMPT = 5 * MS
_READ = 2 * MS
_WRITE = 5 * MS
_FRAME = 1 * MS
_BYTE = 85_000


class Initiator:
    """Targets 1 and 2 of a chip, over its field. Exchanges give (response bytes, nanoseconds on the air)."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.targets: dict[int, Presence] = {}
        self.registers: dict[int, int] = {}
        self.rats = True
        self.timeout_ns = 51 * MS

    def reset(self) -> None:
        """As after power-on: field off, no targets."""
        self.field.switch(False)
        self.targets.clear()
        self.registers = {TX_MODE: _CRC, RX_MODE: _CRC, FIFO_DATA: 0}
        self.rats = True
        self.timeout_ns = 51 * MS

    def read_register(self, address: int) -> int:
        """A register as ReadRegister shows it."""
        value = self.registers.get(address, 0)
        return value & ~3 | (3 if self.field.on else 0) if address == TX_CONTROL else value

    def try_list(self, at_most: int, uid: bytes) -> bytes | None:
        """One attempt of InListPassiveTarget at 106 kbit/s type A: the found targets' data, or None."""
        self.targets.clear()
        self.field.switch(True)
        answering = self.field.sens_req()
        found = self.field.select(answering, at_most, _without_cascade(uid))
        self.registers[FIFO_DATA] = _SEL_REQ if answering else _SENS_REQ
        if not found:
            return None
        self.registers[TX_MODE] = self.registers[RX_MODE] = _CRC
        self.targets = {number: card for number, card in enumerate(found, 1)}
        return b"".join(self.describe(number) for number in self.targets)

    def describe(self, number: int) -> bytes:
        """Target data: number, SENS_RES, SEL_RES, NFCID, ATS where the chip sent RATS."""
        tag = self.targets[number].tag
        data = bytes((number,)) + tag.atqa.to_bytes(2, "big") + bytes((tag.sak, len(tag.uid))) + tag.uid
        return data + tag.ats if tag.ats and self.rats else data

    def data_exchange(self, number: int, data: bytes) -> tuple[bytes, int]:
        """InDataExchange: an APDU to a Type 4 card, MIFARE commands to the others."""
        card = self.targets.get(number & 0x3F)
        if card is None or not data:
            return bytes((BAD_CONTEXT,)), 0
        if card.tag.ats and self.rats:
            return self._apdu(card, data)
        match data[0]:
            case 0x60 | 0x61:
                return self._authenticate(card, data)
            case 0x30:
                return self._mifare(self.field.exchange(card, data), _READ)
            case 0xA2:
                return self._mifare(self.field.exchange(card, data), _WRITE)
            case 0xA0:
                reply = self.field.exchange(card, data[:2])
                return self._mifare(self.field.exchange(card, data[2:]) if reply == ACK else reply, _WRITE)
            case _:  # the chip knows MIFARE's own commands only: the others go through InCommunicateThru
                return bytes((BAD_CONTEXT,)), 0

    def communicate_thru(self, data: bytes) -> tuple[bytes, int]:
        """InCommunicateThru: a raw frame to the active card, CRC_A made and checked by TxMode and RxMode."""
        active = [card for card in self.targets.values() if card.state is State.ACTIVE]
        if not self.registers[TX_MODE] & _CRC:
            data, crc = data[:-2], data[-2:]
            if crc_a(data) != crc:
                return bytes((TIMEOUT,)), self.timeout_ns
        reply = self.field.exchange(active[0], data) if active and data else None
        checked = self.registers[RX_MODE] & _CRC
        if reply is None:
            return bytes((TIMEOUT,)), self.timeout_ns
        took = _WRITE if data[0] in (0xA0, 0xA2) else _FRAME + _BYTE * len(data)
        if isinstance(reply, int):
            return (bytes((CRC_ERROR,)) if checked else bytes((OK, reply))), took
        return bytes((OK,)) + reply + (b"" if checked else crc_a(reply)), took + _BYTE * len(reply)

    def release(self, number: int, keep: bool) -> bytes:
        """InDeselect (`keep`: it can be selected again) and InRelease; 0 means every target."""
        if number and number not in self.targets:
            return bytes((BAD_CONTEXT,))
        for each in [number] if number else list(self.targets):
            self.field.halt(self.targets[each], State.HALT if keep else State.IDLE)
            if not keep:
                del self.targets[each]
        return bytes((OK,))

    def select(self, number: int) -> bytes:
        """InSelect: back to a target that was deselected."""
        if number not in self.targets:
            return bytes((BAD_CONTEXT,))
        return bytes((OK if self.field.wake(self.targets[number]) else TIMEOUT,))

    def _mifare(self, reply: Reply, took: int) -> tuple[bytes, int]:
        if reply is None:
            return bytes((TIMEOUT,)), self.timeout_ns
        if isinstance(reply, int):
            return bytes((OK if reply == ACK else FORMAT_ERROR,)), took
        return bytes((OK,)) + reply, took

    def _authenticate(self, card: Presence, data: bytes) -> tuple[bytes, int]:
        there = card.state is State.ACTIVE and self.field.on and card in self.field.cards
        tag = card.tag
        knows_keys = there and hasattr(tag, "authenticate") and len(data) >= 8
        if knows_keys and cast(MifareTag, tag).authenticate(data[0], data[1], data[2:8]):
            return bytes((OK,)), _READ
        self.field.halt(card, State.IDLE)
        return bytes((AUTH_ERROR if there else TIMEOUT,)), _READ if there else self.timeout_ns

    def _apdu(self, card: Presence, data: bytes) -> tuple[bytes, int]:
        if card.state is not State.ACTIVE or not self.field.on or card not in self.field.cards:
            return bytes((TIMEOUT,)), self.timeout_ns
        answer = cast(IsoDepTag, card.tag).apdu(data)
        return bytes((OK,)) + answer, _FRAME + _BYTE * (len(data) + len(answer))


def _without_cascade(uid: bytes) -> bytes:
    """A UID as InListPassiveTarget takes it (88h before each further cascade level) as plain UID."""
    if len(uid) == 8 and uid[0] == 0x88:
        return uid[1:]
    if len(uid) == 12 and uid[0] == uid[4] == 0x88:
        return uid[1:4] + uid[5:]
    return uid
