"""The compact root: which keys a brick believes, and how many of them must sign. Form alone. docs/formats/directive.md"""

from stallmark import cbor, form
from stallmark.crypt import sha256

TYPE = "application/vnd.stallmark.root+cbor"
MAX_KEYS = 4  # of root and of director
MAX_AUTHORS = 8
CRITICAL = 64  # fields below this number must be understood


def payload(
    version, issued_ms, expires_ms, roots, root_threshold, directors, director_threshold, authors, author_threshold
):  # fmt: skip
    """Payload bytes; keys are public keys of 32 bytes, named by the first eight of their SHA-256. Raises FormatError."""
    return cbor.encode(check_fields({
        0: 1, 1: version, 2: issued_ms, 3: expires_ms, 4: _named(roots), 5: root_threshold, 6: _named(directors),
        7: director_threshold, 8: _named(authors), 9: author_threshold,
    }))  # fmt: skip


def _named(publics):
    return [[sha256(public)[:8], public] for public in publics]


def check_fields(f):
    """The payload map itself, its known fields checked. Raises FormatError."""
    form.fields(f, "root", range(10))
    form.version1(f, "root")
    form.uint(f[1], "root version (1)", form.U32, 1)
    form.uint(f[2], "root issued (2)")
    form.uint(f[3], "root expires (3)")
    _keys(f, 4, "root keys", MAX_KEYS)
    _keys(f, 6, "director keys", MAX_KEYS)
    _keys(f, 8, "author keys", MAX_AUTHORS)
    return f


def _keys(f, number, what, most):
    """Keys and threshold. A kid is what its key makes it: no key can count twice under two names."""
    what = "{} ({})".format(what, number)
    kids = []
    for pair in form.array(f[number], what, most, 1):
        form.array(pair, what, 2, 2)
        if form.octets(pair[0], what, 8) != sha256(form.octets(pair[1], what, 32))[:8]:
            form.fail(what, "kids that are the first 8 bytes of the key's SHA-256")
        if pair[0] in kids:
            form.fail(what, "each key once")
        kids.append(pair[0])
    form.uint(f[number + 1], "threshold ({})".format(number + 1), len(kids), 1)


def unknown_critical(f):
    """The lowest field below 64 that this program does not know, or None."""
    for key in sorted(f):
        if 9 < key < CRITICAL:
            return key
    return None
