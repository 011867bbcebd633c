"""What differs from board to board. A port is one object; `appliance.run(port)` takes it.

    flash(name)            flash port of a partition of boards.partitions: size, read_into, program, erase
    uart(name, baud)       "nfc", "qr", "link": what machine.UART offers; again with another baud: same one
    nfc_bus, spi(name)     "spi" where the PN532 is on SPI, else "hsu"; its bus: select(on), transfer(buffer) low bit first
    light.set(r, g, b)     three bits; sound.tone(hz), 0 = silent
    clock                  uptime_ms() never back, wall_ms() held over the restart or None, maybe hold(ms)
    ticks_ms()             real milliseconds, never back and never wrapping, for time-outs and patterns
    radio                  bluetooth.BLE() switched on before the heap filled; None or absent: no radio, cable only
    radio_failed           True where there is one and it did not switch on; absent: none did fail
    random(n)              n unpredictable bytes; make_ecb(key16) an AES-128 ECB encryptor
    make_inverse(key16)    the decryptor to it; needed where there is a reader for tags
    reset_part(name)       starts a reset pulse of 100 ms and returns; absent where no line is wired
    watchdog.feed()        at least every config.WATCHDOG_MS
    power.read()           (main mV, back-up mV, charging), each None where not known; absent: nothing is measured
    light.dim(percent)     absent where the light has one brightness
    reset()                starts the board anew; sleep_ms(ms), maybe, sleeps deeper than asyncio does
    parts                  which of "nfc", "qr" this brick has; "events" only on the virtual kit
    hardware, flash_bytes, firmware_digest32, reset_reason
    boots                  this start-up, where it was counted before there was a port; absent: run() counts it
    people_capacity        most people remembered in this board's memory; absent: the ruleset's own limit

This package holds the port of real boards; the one of MicroPython's unix build belongs to the virtual kit.
"""
