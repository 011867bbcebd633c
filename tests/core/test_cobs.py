"""COBS: one encoding for each input, no 00 inside, everything else refused."""

import vectors
from ports import Random
from stallmark import cobs
from stallmark.errors import FormatError


def test_examples_of_the_paper_and_of_its_edge_cases():
    for case in vectors.load("cobs.json")["cases"]:
        data = bytes.fromhex(case["data"])
        stuffed = bytes.fromhex(case["cobs"])
        assert cobs.encode(data) == stuffed, case["name"]
        assert cobs.decode(stuffed) == data, case["name"]


def test_what_no_encoder_makes_is_refused():
    for case in vectors.load("cobs.json")["refused"]:
        vectors.raises(FormatError, cobs.decode, bytes.fromhex(case["cobs"]))


def test_every_length_with_few_and_many_zeros_comes_back():
    random = Random(1)
    for length in range(0, 520, 7):
        for zeros in (0, 1, 60):
            data = bytes([0 if random.chance(zeros) else 1 + byte % 255 for byte in random.bytes(length)])
            stuffed = cobs.encode(data)
            assert 0 not in stuffed
            assert len(stuffed) <= len(data) + len(data) // 254 + 1
            assert cobs.decode(stuffed) == data
            if stuffed:
                cut = stuffed[: random.below(len(stuffed))]
                try:
                    assert cobs.encode(cobs.decode(cut)) == cut
                except FormatError:
                    pass
