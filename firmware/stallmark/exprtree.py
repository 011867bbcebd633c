"""Compiled conditions as nested tuples, as people and compilers read them."""

from stallmark.expr import ADD, ALL, ALWAYS, AT_LEAST, BETWEEN, BOTH, GT, NOT, NUMBER, parts


def tree(tables, node, counter):
    """A condition as nested tuples with its values in place: `tables` has `values` and `leaves`."""
    op = node[0]
    if op == ALWAYS:
        return (ALWAYS,)
    out = []
    for part in parts(node):
        if type(part) is int:
            out.append(comparison(tables, part, counter[0]))
            counter[0] += 1
        else:
            out.append(tree(tables, part, counter))
    if op == NOT:
        return (NOT, out[0])
    if op == AT_LEAST:
        return (AT_LEAST, tuple(out), node[1])
    return out[0] if len(node) == 2 and counter[0] == 1 and op == ALL else (op, tuple(out))


def comparison(tables, place, number):
    """(operator, value, value or int, number) of a place in the table; between: right is (low, high), one of: the numbers."""
    op, left, right, _hint = [column[place] for column in tables.leaves]
    if op >= BOTH:
        op -= BOTH
        if op == BETWEEN:
            right = (value(tables, right[0]), value(tables, right[1]))
        else:
            right = value(tables, right)
    return (op, value(tables, left), right, number)


def value(tables, at):
    """A value as a tuple, arithmetic with its parts in place; a plain number as int."""
    found = tables.values[at]
    if found[0] == NUMBER:
        return found[1]
    if found[0] >= ADD:
        return (found[0], value(tables, found[1]), value(tables, found[2]))
    return found


def leaf(node, number):
    """The comparison with this number in a tree, or None."""
    op = node[0]
    if op >= GT:
        return node if node[3] == number else None
    if op == NOT:
        return leaf(node[1], number)
    if op != ALWAYS:
        for child in node[1]:
            found = leaf(child, number)
            if found is not None:
                return found
    return None
