"""The table of stallmark.counters where memory is no question: a dictionary says where each key is. No brick loads this."""

from stallmark.counters import Table


class Indexed(Table):
    """A Table that follows no chain: `index` has the place of each key."""

    def find(self, key):
        """Place of the value of `key` (bytes), or -1."""
        return self.index.get(key, -1)

    def _forget(self):
        self.used = 0
        self._heads = ()
        self.index = {}

    def _link(self, number):
        data, at = self._at(number)
        end = at + self._key
        self.index[bytes(data[at:end])] = number >> self._shift << 12 | end + 2

    def _share(self):
        pass
