"""The lines of a brick: the cable always, the radio where it works. A radio that fails ends nothing but itself."""


def lines(port, line, brick8, log):
    """(lines, whether the radio of this board failed). `line`: the cable's."""
    ble = getattr(port, "radio", None)
    if ble is None:
        return (line,), getattr(port, "radio_failed", False)
    try:
        from brick.radio.radio import Radio

        return (line, Radio(ble, brick8, port.ticks_ms)), False
    except (OSError, MemoryError) as error:  # known of ESP32's stack: no memory for a service or a buffer
        log("the radio does not work, the link goes by cable alone: {}".format(error))
        return (line,), True
