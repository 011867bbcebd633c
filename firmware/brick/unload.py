"""Modules that are of use for a moment only make room again: their code is a good part of the heap."""

import sys


def unload(*names):
    """Forgets modules by their full names; what is not loaded is passed over. Their code is freed once no object of theirs is
    in use; an import loads them anew."""
    for name in names:
        if sys.modules.pop(name, None) is not None:
            package, _, last = name.rpartition(".")
            delattr(sys.modules[package], last)
