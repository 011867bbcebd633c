"""NDEF of Type 2 tags: only as many pages as needed, whatever a tag claims."""

import asyncio

import pytest
from brick.errors import ChipStatus, Damaged
from brick.nfc import type2
from hypothesis import given, settings
from hypothesis import strategies as st


class Memory:
    """Answers READ from a user memory (pages from 4 on), and counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data + bytes(1024)
        self.reads: list[int] = []

    async def exchange(self, command: bytes) -> bytes:
        assert command[0] == 0x30
        self.reads.append(command[1])
        at = (command[1] - 4) * 4
        return self.data[at : at + 16]


def read(memory: Memory) -> bytes | None:
    return asyncio.run(type2.read_ndef(memory.exchange))


def test_a_short_message_costs_the_reads_that_it_needs():
    memory = Memory(b"\x03\x05HELLO\xfe")
    assert read(memory) == b"HELLO"
    assert memory.reads == [4]
    memory = Memory(b"\x03\x23" + bytes(range(35)))
    assert read(memory) == bytes(range(35))
    assert memory.reads == [4, 8, 12]


def test_a_blank_tag_costs_one_read():
    memory = Memory(b"")
    assert read(memory) is None
    assert memory.reads == [4]


def test_lock_control_and_null_blocks_before_the_message_are_passed_over():
    assert read(Memory(b"\x01\x03\xa0\x0c\x34\x00\x00\x03\x02ok\xfe")) == b"ok"
    assert read(Memory(b"\xfd\x20" + bytes(32) + b"\x03\x02ok\xfe")) == b"ok"


def test_a_three_byte_length_is_understood():
    assert read(Memory(b"\x03\xff\x00\x10" + b"x" * 16)) == b"x" * 16


@pytest.mark.parametrize(
    "data",
    [
        b"\xfe",
        b"\x03\x00",
        b"\x03\x8f" + bytes(143),  # one byte more than fits what is read at most
        b"\x03\xff\xff\xff",
        b"\xfd\xff\xff\xff\x03\x01x",
        bytes(20) + b"\x03\x01x",
    ],
)
def test_what_has_no_message_within_the_limit_is_none(data: bytes):
    memory = Memory(data)
    assert read(memory) is None
    assert len(memory.reads) <= 9


def test_the_longest_message_that_is_read():
    assert read(Memory(b"\x03\x8e" + b"y" * 142)) == b"y" * 142


def test_a_tag_that_answers_short_is_damaged():
    async def short(_command: bytes) -> bytes:
        return b"\x03"

    with pytest.raises(Damaged):
        asyncio.run(type2.read_ndef(short))


def test_a_tag_that_does_not_answer_says_so():
    async def silent(_command: bytes) -> bytes:
        raise ChipStatus(1)

    with pytest.raises(ChipStatus):
        asyncio.run(type2.read_ndef(silent))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_memory_hurts(data: bytes):
    memory = Memory(data)
    read(memory)
    assert len(memory.reads) <= 9
