"""The 13.56 MHz field as ISO 14443-3 A sees it: cards with their states, anticollision, and who answers."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Reply = bytes | int | None
"""What a card says: a frame without its CRC, a 4-bit ACK or NAK as a number, or nothing."""

ACK = 0xA


class Tag(Protocol):
    """A card. `atqa` as the PN532 reports it (SENS_RES, high byte first); `ats` empty unless ISO 14443-4.

    `stubborn`: once active it ignores SENS_REQ altogether (some cards do) instead of falling back to IDLE.
    `gone`: it was torn out of the field in the middle of something; silent until it is put down again.
    """

    uid: bytes
    atqa: int
    sak: int
    ats: bytes
    stubborn: bool
    gone: bool

    def power_off(self) -> None:
        """The field is gone: volatile state is lost."""
        ...

    def activate(self) -> None:
        """Selected: a session begins."""
        ...

    def transceive(self, frame: bytes) -> Reply:
        """Answers a frame (without CRC). None and any NAK end the session."""
        ...


class IsoDepTag(Tag, Protocol):
    """A card that speaks ISO 14443-4."""

    def apdu(self, command: bytes) -> bytes:
        """Answers a command APDU with data and status word."""
        ...


class MifareTag(Tag, Protocol):
    """A card whose sectors want a MIFARE key first; the chip does the authentication."""

    def authenticate(self, command: int, block: int, key: bytes) -> bool:
        """True if `key` opens `block` with key A (60h) or B (61h)."""
        ...


class State(Enum):
    """Where a card stands (ISO 14443-3 §6)."""

    IDLE = 0
    ACTIVE = 1
    HALT = 2


@dataclass
class Presence:
    """One card in the field."""

    tag: Tag
    state: State = State.IDLE


class Field:
    """The field of one reader and the cards in it."""

    def __init__(self) -> None:
        self.on = False
        self.cards: list[Presence] = []
        self.garbled = False
        """True: two or more cards disturb each other and none can be read; else anticollision works."""

    def place(self, tag: Tag) -> None:
        """Puts a card on the reader."""
        tag.gone = False
        if all(card.tag is not tag for card in self.cards):
            self.cards.append(Presence(tag))

    def remove(self, tag: Tag) -> None:
        """Takes a card away."""
        for card in self.cards:
            if card.tag is tag:
                card.tag.power_off()
        self.cards = [card for card in self.cards if card.tag is not tag]

    def switch(self, on: bool) -> None:
        """Field on or off; off resets every card."""
        if self.on and not on:
            for card in self.cards:
                card.tag.power_off()
                card.state = State.IDLE
        self.on = on

    def sens_req(self) -> list[Presence]:
        """Who answers SENS_REQ. A card left ACTIVE does not: it falls back to IDLE, for the next one."""
        if not self.on:
            return []
        answering: list[Presence] = []
        for card in self.cards:
            if card.tag.gone:
                continue
            if card.state is State.IDLE:
                answering.append(card)
            elif card.state is State.ACTIVE and not card.tag.stubborn:
                card.state = State.IDLE
        return answering

    def select(self, answering: list[Presence], at_most: int, uid: bytes = b"") -> list[Presence]:
        """Anticollision: activates up to `at_most` of those that answered (the one named by `uid` only)."""
        if self.garbled and len(answering) > 1:
            return []
        wanted = [card for card in answering if not uid or card.tag.uid == uid]
        wanted.sort(key=lambda card: card.tag.uid, reverse=True)
        for card in wanted[:at_most]:
            card.state = State.ACTIVE
            card.tag.activate()
        return wanted[:at_most]

    def wake(self, card: Presence) -> bool:
        """ALL_REQ and select: also a halted card, if it is still there."""
        if not self.on or card.tag.gone or card not in self.cards:
            return False
        if card.state is not State.ACTIVE:
            card.state = State.ACTIVE
            card.tag.activate()
        return True

    def halt(self, card: Presence, state: State = State.HALT) -> None:
        """Ends a card's session; from HALT only `wake` brings it back."""
        card.state = state

    def exchange(self, card: Presence, frame: bytes) -> Reply:
        """One frame to an active card and its answer. Silence or a NAK throws the card back to IDLE."""
        if not self.on or card.tag.gone or card not in self.cards or card.state is not State.ACTIVE:
            return None
        if frame[:2] == b"\x50\x00" and len(frame) == 2:
            self.halt(card)
            return None
        reply = card.tag.transceive(frame)
        if reply is None or (isinstance(reply, int) and reply != ACK):
            self.halt(card, State.IDLE)
        return reply


def crc_a(data: bytes) -> bytes:
    """CRC_A of ISO 14443-3 annex B, low byte first."""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte ^= (byte << 4) & 0xFF
        crc = (crc >> 8) ^ (byte << 8) ^ (byte << 3) ^ (byte >> 4)
    return crc.to_bytes(2, "little")
