"""Provisioning: bench and brick make the first keys together, over plain frames (docs/formats/keys.md)."""

from stallmark import cbor, form, keys, keystore
from stallmark.constant import const
from stallmark.crypt import equal, hmac, sha256
from stallmark.errors import FormatError, LimitError, StallmarkError

_REFUSED = const(0)
_IDENTIFY = const(1)
_PROVISION = const(2)
_MAX_BODY = const(502)
_MAX_AUTHORS = const(7)  # what fits a frame

# --- the bench


def identify_request():
    """Body of the question what is on the line."""
    return cbor.encode({0: 1, 1: _IDENTIFY})


def parse_identity(body):
    """{"hardware", "flash_bytes", "firmware_digest", "entropy"} of an identify answer; raises as finish()."""
    fields = _answer(body, _IDENTIFY)
    return {
        "hardware": form.text(fields.get(2), "hardware (2)", 64),
        "flash_bytes": form.uint(fields.get(3), "flash bytes (3)", form.U32),
        "firmware_digest": form.octets(fields.get(4), "firmware digest (4)", 32),
        "entropy": form.octets(fields.get(5), "brick entropy (5)", 32),
    }


def provision_request(
    entropy,
    rental,
    event_key,
    event_id,
    authors,
    threshold,
    kit,
    hub,
    director_public,
    host,
    wall_ms,
    currency,
    first_root=None,
):
    """
    Body of the request that gives a blank brick its keys.

    entropy: 32 fresh bytes of the bench; authors: up to seven (kid8, public32), of whom threshold must sign; first_root:
    SHA-256 of the payload of the root that it is to be told first (docs/formats/directive.md), or None.
    Raises FormatError for a field that the brick would refuse.
    """
    fields = {
        0: 1,
        1: _PROVISION,
        2: entropy,
        3: rental,
        4: event_key,
        5: event_id,
        6: [list(author) for author in authors],
        7: threshold,
        8: kit,
        9: hub,
        10: director_public,
        11: host,
        12: wall_ms,
        13: currency,
    }
    if first_root is not None:
        fields[14] = first_root
    _check_request(fields)
    body = cbor.encode(fields)
    if len(body) > _MAX_BODY:
        raise LimitError("provisioning request of {} bytes, at most {}".format(len(body), _MAX_BODY))
    return body


def finish(request_body, identity, answer_body):
    """
    (brick8, R_0, R_1) after a provision answer; identity is what parse_identity gave.

    R_1 goes to the controller, the link key made from it to the host; the bench keeps nothing.
    Raises FormatError when the brick made other keys, StallmarkError with its reason when it refused.
    """
    fields = _answer(answer_body, _PROVISION)
    answered = form.octets(fields.get(2), "brick (2)", 8)
    check = form.octets(fields.get(3), "check (3)", 16)
    request = cbor.decode(request_body)
    root = keys.root0(identity["entropy"], request[2])
    brick = keys.brick_id(root)
    if answered != brick or not equal(check, _proof(root, request_body)):
        raise FormatError("brick answered with other keys than the bench computed")
    return brick, root, keys.next_root(root, request[3])


def _answer(body, command):
    """Fields of an answer to this command. FormatError when it is none, StallmarkError for a refusal."""
    fields = cbor.decode(body)
    if type(fields) is not dict or fields.get(0) != 1:
        raise FormatError("provisioning answer is not a version 1 map")
    if fields.get(1) == _REFUSED:
        raise StallmarkError("the brick refused: {}".format(fields.get(2)))
    if fields.get(1) != command:
        raise FormatError("answer to command {}, expected {}".format(fields.get(1), command))
    return fields


# --- the brick


class Provisioner:
    """
    The brick's side, while its key partition is blank.

    describe is (hardware text, flash bytes, firmware digest32), random(n) the brick's entropy source. Once
    done, the keys are in the key store and wall_ms is the bench's clock.
    """

    def __init__(self, describe, random, store):
        self._describe = describe
        self._random = random
        self._store = store
        self._entropy = random(32)  # one for each start-up
        self._finished = None  # digest of the request that was carried out, and its answer
        self.done = False
        self.wall_ms = None

    def handle(self, body):
        """The answer to one request; refusals are answers too. Raises nothing but what random raises."""
        try:
            return self._handle(body)
        except FormatError as error:
            return _refusal(str(error))
        except OSError:
            return _refusal("key partition cannot be written")

    def _handle(self, body):
        fields = cbor.decode(body)
        if type(fields) is not dict or fields.get(0) != 1:
            raise FormatError("not a version 1 map")
        command = fields.get(1)
        if command == _IDENTIFY:
            hardware, flash_bytes, firmware = self._describe
            return cbor.encode({0: 1, 1: 1, 2: hardware, 3: flash_bytes, 4: firmware, 5: self._entropy})
        if command != _PROVISION:
            raise FormatError("unknown command")
        digest = sha256(body)
        if self._finished and self._finished[0] == digest:
            return self._finished[1]  # the bench asks again because the answer was lost
        _check_request(fields)
        if not self._store.blank():
            raise FormatError("already provisioned")
        root = keys.root0(self._entropy, fields[2])
        brick = keys.brick_id(root)
        self._store.save(self._first_keys(brick, root, fields))
        answer = cbor.encode({0: 1, 1: 2, 2: brick, 3: _proof(root, body)})
        self._finished = (digest, answer)
        self.wall_ms = fields[12]
        self.done = True
        return answer

    def _first_keys(self, brick, root0, fields):
        root = keys.next_root(root0, fields[3])
        first = {} if fields.get(14) is None else {keystore.FIRST_ROOT: fields[14]}
        first.update({
            keystore.BRICK: brick,
            keystore.ROOT: root,
            keystore.RENTAL: fields[3],
            keystore.ONLY: keys.only_key(self._random(32)),
            keystore.LINK_EPOCH: 0,
            keystore.LINK_KEY: keys.link_key0(root),
            keystore.RECORD_EPOCH: 0,
            keystore.RECORD_CHAIN: keys.record_chain0(root),
            keystore.EVENT_KEY: fields[4],
            keystore.EVENT: fields[5],
            keystore.AUTHORS: fields[6],
            keystore.THRESHOLD: fields[7],
            keystore.KIT: fields[8],
            keystore.HUB: fields[9],
            keystore.DIRECTOR: fields[10],
            keystore.HOST: fields[11],
            keystore.HARDWARE: self._describe[0],
            keystore.CURRENCY: fields[13],
            keystore.FIRST_BOOT: 1,
        })  # fmt: skip
        return first


def _proof(root, request_body):
    return hmac(root, b"stallmark/provisioned/1\x00" + sha256(request_body))[:16]


def _refusal(reason):
    return cbor.encode({0: 1, 1: _REFUSED, 2: reason})


def _check_request(fields):
    form.octets(fields.get(2), "bench entropy (2)", 32)
    form.uint(fields.get(3), "rental (3)", form.U32)
    form.octets(fields.get(4), "event key (4)", 32)
    form.octets(fields.get(5), "event (5)", 8)
    authors = form.array(fields.get(6), "authors (6)", _MAX_AUTHORS, 1)
    for author in authors:
        form.array(author, "author (6)", 2, 2)
        form.octets(author[0], "author kid (6)", 8)
        form.octets(author[1], "author key (6)", 32)
    if len(set([author[0] for author in authors])) != len(authors):
        form.fail("authors (6)", "each kid once")
    form.uint(fields.get(7), "threshold (7)", len(authors), 1)
    form.octets(fields.get(8), "kit (8)", 8)
    form.octets(fields.get(9), "hub (9)", 8)
    form.octets(fields.get(10), "director key (10)", 32)
    form.octets(fields.get(11), "host (11)", 8)
    form.uint(fields.get(12), "wall ms (12)")
    if len(form.text(fields.get(13), "currency (13)", 3)) != 3:
        form.fail("currency (13)", "three letters")
    if fields.get(14) is not None:
        form.octets(fields[14], "first root (14)", 32)
