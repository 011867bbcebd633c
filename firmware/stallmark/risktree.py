"""A few small decision trees in a table of bytes, summed in whole numbers (docs/formats/risk.md).

Header `"SMRT" ‖ version u8 ‖ trees u8 ‖ bias i16`, then for each tree its number of nodes u8 and the nodes, six bytes each:
feature u8 (FF: a leaf), threshold i16, left u8 (the right child stands behind it), value i16. At most 16 trees of 31 nodes.
"""

from stallmark.constant import const
from stallmark.errors import FormatError

_MAGIC = b"SMRT"
_HEADER = const(8)
_NODE = const(6)
_LEAF = const(255)
_MAX_TREES = const(16)
_MAX_NODES = const(31)
_FEATURES = const(12)
_MIDDLE = const(128)


def _i16(table, at):
    value = table[at] << 8 | table[at + 1]
    return value - 65536 if value & 0x8000 else value


def version(table):
    """The version of a table. Raises FormatError for one that `score` cannot walk through."""
    if len(table) < _HEADER or bytes(table[:4]) != _MAGIC or not 0 < table[5] <= _MAX_TREES:
        raise FormatError("risk model: no table of trees")
    at = _HEADER
    for _ in range(table[5]):
        nodes = table[at] if at < len(table) else 0
        if not 0 < nodes <= _MAX_NODES or at + 1 + nodes * _NODE > len(table):
            raise FormatError("risk model: a tree that is cut")
        for number in range(nodes):
            node = at + 1 + number * _NODE
            inner = table[node] != _LEAF
            # children stand behind their parent: every walk ends
            if inner and not (table[node] < _FEATURES and number < table[node + 3] < nodes - 1):
                raise FormatError("risk model: a node that leads nowhere")
        at += 1 + nodes * _NODE
    if at != len(table):
        raise FormatError("risk model: {} bytes too many".format(len(table) - at))
    return table[4]


def score(table, features):
    """(0 to 255, feature that raised it most): the sum of the leaves, and by which splits it rose."""
    total = _i16(table, 6)
    raised = [0] * len(features)
    at = _HEADER
    for _ in range(table[5]):
        base = at + 1
        node = base
        while table[node] != _LEAF:
            feature = table[node]
            right = features[feature] > _i16(table, node + 1)
            child = base + (table[node + 3] + (1 if right else 0)) * _NODE
            raised[feature] += _i16(table, child + 4) - _i16(table, node + 4)
            node = child
        total += _i16(table, node + 4)
        at = base + table[at] * _NODE
    top = 0
    for feature in range(len(raised)):
        if raised[feature] > raised[top]:
            top = feature
    return max(0, min(255, _MIDDLE + total)), top
