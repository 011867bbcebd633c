"""The operating system under hosts, seen from the controller: list, tag, pin, restart, identify, logs.

One interface (`provider`), two implementations: *none*, where hosts are looked after by hand, and *balena* (`balena`, with the
SDK in a process of its own: `sdk`, `wire`). Which device is which kit's host: `ties`. Nothing that a brick installs travels this
way. docs/balena.md"""
