"""The batch: a signed header, receipts, evidence, and the private section beside them.

docs/formats/batch.md"""

from collections import namedtuple

from stallmark import cbor, cose, form, tree
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError
from stallmark.leaf import entry
from stallmark.registry import LEAF_RECEIPT

MAX_RECEIPTS = 256
MAX_CLOSE_BYTES = 262144  # a batch is closed here
MAX_BODY = 524288  # and never larger than this
MAX_EVIDENCE = 256
MAX_PRIVATE = 1024
MAX_KEYS = 4096
ZERO32 = bytes(32)  # prev32 of number 1

# header: its COSE bytes; head: its Sign1 (protected payload signature alg kid fields); receipts and evidence:
# lists of
# bytes; private: list of [brick8, seq, alg, key id16, nonce24, ciphertext]
Batch = namedtuple("Batch", "header head receipts evidence private")


def encode_header_payload(fields):
    """Payload bytes of a header. Raises FormatError."""
    return cbor.encode(check_header(fields))


def check_header(f):
    """The header map itself, its fields checked. Raises FormatError."""
    form.fields(f, "batch header", range(10))
    form.version1(f, "batch header")
    form.octets(f[1], "batch host (1)", 8)
    form.uint(f[2], "batch number (2)", form.I64, 1)
    form.octets(f[3], "batch prev32 (3)", 32)
    form.octets(f[4], "batch root32 (4)", 32)
    form.uint(f[5], "batch count (5)", MAX_RECEIPTS, 1)
    form.uint(f[6], "batch first host seq (6)", form.I64, 1)
    form.uint(f[7], "batch window (7)")
    form.uint(f[8], "batch ms (8)")
    form.fields(f[9], "batch losses (9)", ())
    for key in (0, 1):
        if key in f[9]:
            form.uint(f[9][key], "batch losses (9)")
    return f


def parse_header(data):
    """The Sign1 of a header's COSE bytes. Raises FormatError."""
    return cose.parse(data, check_header)


def link(header):
    """prev32 of the next batch: SHA-256 over this header's COSE bytes."""
    return sha256(b"stallmark/batch/1\0", header)


def root(receipts):
    """root32 of a batch: RFC 6962 over the ledger entries of its receipts."""
    return tree.root([tree.leaf_hash(entry(LEAF_RECEIPT, data)) for data in receipts])


def body(header, receipts, evidence=(), private=()):
    """Body bytes of a batch. Raises FormatError, LimitError over 512 KiB."""
    _check_parts(header, receipts, evidence, private)
    data = cbor.encode([header, receipts, evidence, private])
    if len(data) > MAX_BODY:
        raise LimitError("batch of {} bytes: expected at most {}".format(len(data), MAX_BODY))
    return data


def parse(data):
    """The Batch of body bytes: form, count and root are checked; signatures, prev32 and number are the
    caller's.

    Raises FormatError with the reason, LimitError over 512 KiB."""
    if len(data) > MAX_BODY:
        raise LimitError("batch of {} bytes: expected at most {}".format(len(data), MAX_BODY))
    parts = cbor.decode(data, max_items=8 + MAX_RECEIPTS + MAX_EVIDENCE + 7 * MAX_PRIVATE)
    if type(parts) is not list or len(parts) != 4:
        raise FormatError("batch: expected [header, receipts, evidence, private]")
    header, receipts, evidence, private = parts
    _check_parts(header, receipts, evidence, private)
    head = parse_header(header)
    if head.fields[5] != len(receipts):
        raise FormatError("batch: {} receipts, its header counts {}".format(len(receipts), head.fields[5]))
    if head.fields[4] != root(receipts):
        raise FormatError("batch: root32 (4) is not that of its receipts")
    return Batch(header, head, receipts, evidence, private)


def _check_parts(header, receipts, evidence, private):
    if type(header) is not bytes:
        form.fail("batch header", "bytes")
    for part in (receipts, evidence, private):
        if type(part) is not list and type(part) is not tuple:
            form.fail("batch", "lists")
    if not 0 < len(receipts) <= MAX_RECEIPTS or len(evidence) > MAX_EVIDENCE or len(private) > MAX_PRIVATE:
        form.fail("batch", "1 to 256 receipts, at most 256 evidence lists and 1,024 private entries")
    for part in (receipts, evidence):
        for item in part:
            if type(item) is not bytes:
                form.fail("batch receipts and evidence", "byte strings")
    for item in private:
        check_private(item)


def check_private(item):
    """One entry of the private section, checked. Unknown algorithms pass: they are kept as they are."""
    if (type(item) is not list and type(item) is not tuple) or len(item) != 6:
        form.fail("private entry", "[brick8, seq, alg, key id16, nonce24, ciphertext]")
    form.octets(item[0], "private brick", 8)
    form.uint(item[1], "private seq", form.U32, 1)
    form.uint(item[2], "private alg", 255)
    form.octets(item[3], "private key id", 16)
    form.octets(item[4], "private nonce", 24)
    if type(item[5]) is not bytes or len(item[5]) > 512:
        form.fail("private ciphertext", "at most 512 bytes")
    return item


def private_aad(brick8, seq):
    """Additional data of a private entry's AEAD."""
    return b"stallmark/private-part/1\0" + brick8 + seq.to_bytes(4, "big")


def encode_keys(keys):
    """Bytes of `[[key id16, event8, subject8 or None, key32] …]`: the keys of private parts, which travel
    apart."""
    return cbor.encode([_check_key(key) for key in keys])


def decode_keys(data):
    """The list of key entries of their bytes. Raises FormatError."""
    keys = cbor.decode(data, max_items=5 * MAX_KEYS)
    return [_check_key(key) for key in form.array(keys, "private keys", MAX_KEYS)]


def _check_key(key):
    if (type(key) is not list and type(key) is not tuple) or len(key) != 4:
        form.fail("private key", "[key id16, event8, subject8 or null, key32]")
    form.octets(key[0], "private key id", 16)
    form.octets(key[1], "private key event", 8)
    if key[2] is not None:
        form.octets(key[2], "private key subject", 8)
    form.octets(key[3], "private key", 32)
    return key
