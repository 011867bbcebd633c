"""Rentals: whose hands a kit is in, when, and what it held when it came back.

`states` is the one table of moves; `occupied` asks the database for time, which refuses what is taken; `bookings`, `handing`
and `returning` are the verbs, each over one connection with its line in the audit log; `numbers` ends credentials when a kit
changes hands; `drain` says what has not arrived; `keeping` is the running controller's task. docs/rentals.md"""
