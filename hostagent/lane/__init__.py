"""The gateway lane: a brick in software inside the host. Tills and other sources are decided here.

`lane.Lane` decides and records; `book` makes its records, `answers` puts them into words, `taken` knows what was
granted and given back, `ruleset` what it decides by. Its records go through the same intake, chain and outbox as
every brick's: the controller checks their MAC, sequence and chain as of any other.
"""
