"""A bounded table in small pieces: what a brick remembers of people and of rights."""

from array import array

from stallmark import columns
from stallmark.columns import column
from stallmark.constant import const

PIECE = const(1024)  # bytes of a piece at most, where two entries fit
_MOST_HEADS = const(2000)  # chains: 4,000 bytes of heads; of more entries than that chains get longer


class Table:
    """Chains by hash whose number grows with what is kept (linear hashing): no entry is moved to make room, none is searched
    for far. An entry is `key_size` (5 or more) bytes of key, the first of which is never 0, and `value_size` bytes of value; at
    most `capacity` entries (65,534 or fewer). Pieces are made when they are needed: an empty table is cheap. Where there is no
    memory for another one the table is `short`: full, as at its capacity, until `ahead` finds some.

    `find` and `add` give a place: the piece's number times 4,096, and the offset of the value in `pieces[place >> 12]`. Places
    hold until the next `drop`."""

    def __init__(self, capacity, key_size, value_size):
        self.capacity = capacity
        self.used = 0
        self.short = False
        self.pieces = []
        self._key = key_size
        # between key and value stands the number of the chain's next entry, from 1 on
        self._entry = key_size + 2 + value_size
        self._shift = 0  # entries of a piece, as a power of two
        while self._entry << self._shift + 1 <= PIECE:
            self._shift += 1
        self._within = (1 << self._shift) - 1
        self._forget()

    def _forget(self):
        self.used = 0
        self._heads = array("H", [0] * 4)
        self._turn = 0  # the next chain to be shared with a new one
        self._mask = 3

    def find(self, key):
        """Place of the value of `key` (bytes), or -1."""
        home = (key[1] ^ key[-1] | (key[2] ^ key[-2]) << 8) + 61 * key[0]  # as in `_chain`
        mask = self._mask
        chain = home & mask
        number = self._heads[chain if chain >= self._turn else home & (mask << 1 | 1)]
        while number:
            number -= 1
            piece = number >> self._shift
            data = self.pieces[piece]
            at = (number & self._within) * self._entry
            end = at + self._key
            if data[at:end] == key:
                return piece << 12 | end + 2
            number = data[end] << 8 | data[end + 1]
        return -1

    @property
    def full(self):
        """True where no key more finds room now."""
        return self.short or self.used >= self.capacity

    def ahead(self, more=1):
        """Has room made for the next `more` entries, as far as `capacity` goes. False where there is no memory for it now; True
        also ends being short."""
        last = min(self.used + more, self.capacity) - 1
        try:
            while last >> self._shift >= len(self.pieces):
                self.pieces.append(bytearray(self._entry << self._shift))
        except MemoryError:
            return False
        self.short = False
        return True

    def add(self, key):
        """Place of a new value, all zeros, for a key that is not there; -1 where the table is full."""
        number = self.used
        if self.short or number >= self.capacity:
            return -1
        shift = self._shift
        if number >> shift == len(self.pieces) and not self.ahead():
            self.short = True
            return -1
        if number > len(self._heads):
            self._share()
        at = (number & self._within) * self._entry
        end = at + self._key
        self.pieces[number >> shift][at:end] = key
        self.used = number + 1
        self._link(number)
        return number >> shift << 12 | end + 2

    def drop(self, gone):
        """Takes out every entry whose first key byte b has gone[b] true; returns how many. Who stays moves together."""
        before = self.used
        self.short = False
        self._forget()
        for number in range(before):
            data, at = self._at(number)
            if not gone[data[at]]:
                into, to = self._at(self.used)
                into[to : to + self._entry] = data[at : at + self._entry]
                if self.used > len(self._heads):
                    self._share()
                self._link(self.used)
                self.used += 1
        blank = bytes(self._entry)
        for number in range(self.used, before):
            data, at = self._at(number)
            data[at : at + self._entry] = blank
        return before - self.used

    def keys(self):
        """Every key, in no order that means anything."""
        for number in range(self.used):
            data, at = self._at(number)
            yield bytes(data[at : at + self._key])

    def _at(self, number):
        """(piece, offset) of the entry with a number, from 0 on."""
        return self.pieces[number >> self._shift], (number & self._within) * self._entry

    def _chain(self, data, at):
        """The chain of the key that begins at `at`."""
        end = at + self._key
        home = (data[at + 1] ^ data[end - 1] | (data[at + 2] ^ data[end - 2]) << 8) + 61 * data[at]
        chain = home & self._mask
        return chain if chain >= self._turn else home & (self._mask << 1 | 1)

    def _link(self, number):
        """An entry becomes the first of its chain."""
        data, at = self._at(number)
        chain = self._chain(data, at)
        first = self._heads[chain]
        at += self._key
        data[at], data[at + 1] = first >> 8, first & 255
        self._heads[chain] = number + 1

    def _share(self):
        """One more chain, which takes over its part of the chain whose turn it is."""
        heads = self._heads
        if len(heads) == _MOST_HEADS:
            return
        try:
            heads.append(0)
        except MemoryError:
            return
        chain = self._turn
        number = heads[chain]
        heads[chain] = 0
        self._turn += 1
        if self._turn > self._mask:
            self._turn = 0
            self._mask = self._mask << 1 | 1
        while number:
            data, at = self._at(number - 1)
            at += self._key
            following = data[at] << 8 | data[at + 1]
            self._link(number - 1)
            number = following


def table(capacity, key_size, value_size):
    """A Table, or what finds faster than it and takes more memory (stallmark.indexed) where there is plenty."""
    if columns.PACKED:
        return Table(capacity, key_size, value_size)
    from stallmark.indexed import Indexed

    return Indexed(capacity, key_size, value_size)


class Tallies:
    """Small counts in the bytes of an entry, one for each of `mosts`: it is told apart up to that (1 to 255; 0: there is none).
    None crosses a byte. They stand `first` bytes after an entry's place and take `size` bytes together."""

    def __init__(self, mosts, first=0):
        places, shifts, masks = [0] * len(mosts), [0] * len(mosts), [0] * len(mosts)
        bit = 0
        for index, most in enumerate(mosts):
            if most:
                width = 1
                while most >> width:
                    width *= 2
                bit = (bit + width - 1) // width * width
                places[index], shifts[index], masks[index] = first + (bit >> 3), bit & 7, (1 << width) - 1
                bit += width
        self.pieces = []  # of the table that they are in, as soon as there is one
        self._byte, self._bit, self._most = column(places), column(shifts), column(masks)
        self.size = (bit + 7) >> 3

    def get(self, place, index):
        """The count of an index in the entry at a place."""
        return self.pieces[place >> 12][(place & 4095) + self._byte[index]] >> self._bit[index] & self._most[index]

    def add(self, place, index):
        """One more, up to what its bits hold; nothing for an index that has none."""
        if index >= len(self._most) or not self._most[index]:
            return
        data = self.pieces[place >> 12]
        at = (place & 4095) + self._byte[index]
        if data[at] >> self._bit[index] & self._most[index] < self._most[index]:
            data[at] += 1 << self._bit[index]


def fitting(capacity, entry, most_bytes):
    """The capacity, lowered until a table of entries of so many bytes fits `most_bytes`."""
    while slots(capacity) * entry > most_bytes:
        capacity -= 1 + capacity // 64
    return capacity


def slots(capacity):
    """Places in a table of this capacity: a quarter stays empty, so that searches stay short."""
    return capacity + capacity // 3 + 1
