"""A bounded table in one preallocated bytearray: what a brick remembers of people and of rights."""


class Table:
    """Open addressing with linear probing. An entry is `key_size` (4 or more) bytes of key, the first of which is never
    0, and `value_size` bytes of value; at most `capacity` entries, and it never grows.

    Places are offsets of values in `data`. They hold until the next `add` or `drop`."""

    def __init__(self, capacity, key_size, value_size):
        self.capacity = capacity
        self.used = 0
        self._key = key_size
        self._shift = 8 * (key_size - 4)
        self._entry = key_size + value_size
        self._size = slots(capacity)
        self.data = bytearray(self._size * self._entry)

    def find(self, key):
        """Place of the value of `key` (bytes), or -1."""
        data = self.data
        size = self._key
        entry = self._entry
        at = int.from_bytes(key, "big")  # as in `_home`
        at = (at >> self._shift & 0xFFFFFF ^ (at & 0xFFFFFF) + 61 * key[0]) % self._size * entry
        while data[at]:
            if data[at : at + size] == key:
                return at + size
            at += entry
            if at == len(data):
                at = 0
        return -1

    def add(self, key):
        """Place of a new value, all zeros, for a key that is not there; -1 where the table is full."""
        if self.used >= self.capacity:
            return -1
        data = self.data
        entry = self._entry
        at = self._home(key) * entry
        while data[at]:
            at += entry
            if at == len(data):
                at = 0
        data[at : at + self._key] = key
        self.used += 1
        return at + self._key

    def drop(self, gone):
        """Takes out every entry whose first key byte b has gone[b] true; returns how many. In place."""
        dropped = 0
        index = 0
        while index < self._size:
            first = self.data[index * self._entry]
            if first and gone[first]:
                self._delete(index)
                dropped += 1
            else:
                index += 1
        self.used -= dropped
        return dropped

    def keys(self):
        """Every key, in no order that means anything."""
        for at in range(0, len(self.data), self._entry):
            if self.data[at]:
                yield bytes(self.data[at : at + self._key])

    def _home(self, key):
        number = int.from_bytes
        return (number(key[1:4], "big") ^ number(key[-3:], "big") + 61 * key[0]) % self._size

    def _delete(self, hole):
        """Closes the gap: entries after it that may stand nearer to home move back (Knuth 6.4, R)."""
        data = self.data
        entry = self._entry
        size = self._size
        at = hole
        while True:
            at += 1
            if at == size:
                at = 0
            o = at * entry
            if not data[o]:
                break
            home = self._home(data[o : o + self._key])
            if hole <= at:
                stays = hole < home <= at
            else:
                stays = hole < home or home <= at
            if not stays:
                data[hole * entry : hole * entry + entry] = data[o : o + entry]
                hole = at
        for o in range(hole * entry, hole * entry + entry):
            data[o] = 0


def tallies(mosts):
    """Places of small counts, each of which needs to be told apart up to a most (1 to 255): ((byte, shift,
    mask), …) and the bytes that they take together. None crosses a byte."""
    found = []
    bit = 0
    for most in mosts:
        width = 1
        while most >> width:
            width *= 2
        bit = (bit + width - 1) // width * width
        found.append((bit >> 3, bit & 7, (1 << width) - 1))
        bit += width
    return tuple(found), (bit + 7) >> 3


def tally(data, at, place):
    """The small count at a place of the value that begins at `at`."""
    return data[at + place[0]] >> place[1] & place[2]


def raise_tally(data, at, place):
    """One more, up to what the place holds."""
    if data[at + place[0]] >> place[1] & place[2] < place[2]:
        data[at + place[0]] += 1 << place[1]


def fitting(capacity, entry, most_bytes):
    """The capacity, lowered until a table of entries of so many bytes fits `most_bytes`."""
    while slots(capacity) * entry > most_bytes:
        capacity -= 1 + capacity // 64
    return capacity


def slots(capacity):
    """Places in a table of this capacity: a quarter stays empty, so that searches stay short."""
    return capacity + capacity // 3 + 1
