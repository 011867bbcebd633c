"""The appliance: the MicroPython firmware of a brick.

`main.py` (ESP32) or the virtual kit's entry builds a port (ports/__init__.py says what it offers) and hands it to
`appliance.run`; `assembly` is the only place that knows all parts. On the way up: nfc/ and qr/ see a token,
`intake` makes it an event and drops its number, `decider` asks the core's rules, `recorder` makes it durable,
`indicator` shows it, `outbox` and `uplink` bring the record to the host. On the way down: `install` rulesets,
`allotment` rights, `orders` the time and the close. `chores` does what can wait, `supervisor` keeps every task
alive, `diag` and `counters` tell.

Formats and decisions are not here but in the core (stallmark), which hosts and controller run from the same files.
"""
