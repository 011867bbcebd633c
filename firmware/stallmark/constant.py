"""`const`, in one place: MicroPython's compiler folds calls by that name; on CPython it gives back its argument."""

try:
    from micropython import const  # type: ignore
except ImportError:

    def const(value):  # type: ignore[no-redef]  # MicroPython's own has a positional-only argument
        return value


__all__ = ("const",)
