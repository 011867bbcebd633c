"""Runs the test_* functions of the given files on either interpreter: a line each, a sum, an exit code."""

import gc
import sys

from vectors import SkipTest


def _trace(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)


def _import(path):
    folder, _, name = path.rpartition("/")
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    if name.endswith(".py"):
        name = name[:-3]
    return name, __import__(name)


def main(paths):
    """Exit code: 0 when nothing failed."""
    passed = failed = skipped = 0
    for path in paths:
        try:
            name, module = _import(path)
        except SkipTest as reason:
            print("skip {}: {}".format(path, reason))
            skipped += 1
            continue
        for test in sorted(dir(module)):
            function = getattr(module, test)
            if not test.startswith("test_") or not callable(function):
                continue
            gc.collect()
            try:
                function()
            except SkipTest as reason:
                print("skip {}.{}: {}".format(name, test, reason))
                skipped += 1
            except Exception as error:  # noqa: BLE001 (the runner reports every failure)
                print("FAIL {}.{}".format(name, test))
                _trace(error)
                failed += 1
            else:
                print("ok   {}.{}".format(name, test))
                passed += 1
    print("{} passed, {} failed, {} skipped".format(passed, failed, skipped))
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
