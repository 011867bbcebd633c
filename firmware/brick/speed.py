"""How long customers waited for their light: a histogram since the rules in use began (diagnostics, key 11)."""

from array import array

# Upper edges in ms; what took longer is in the last place. Docs and controllers know them by heart: docs/formats/link.md
EDGES = (10, 20, 30, 50, 75, 100, 125, 150, 175, 200, 250, 300, 400, 600, 1000)


class Speed:
    """Sixteen counts. `boot`: number of this start-up."""

    def __init__(self):
        self.boot = 0
        self._ruleset8 = None
        self._counts = array("I", bytes(4 * (len(EDGES) + 1)))

    def use(self, ruleset8):
        """Other rules: what was measured by those before ends here."""
        if ruleset8 != self._ruleset8:
            self._ruleset8 = ruleset8
            for place in range(len(self._counts)):
                self._counts[place] = 0

    def add(self, ms):
        """A light came after so many ms."""
        place = 0
        for edge in EDGES:
            if ms <= edge:
                break
            place += 1
        self._counts[place] += 1

    def facts(self):
        """`[boot, ruleset digest8 or None, [count of each place …]]`."""
        return [self.boot, self._ruleset8, list(self._counts)]
