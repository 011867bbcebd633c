"""The till API: what a till or another source of events asks of the host, and gets the instant bonus back.

`models` is what travels, `reading` turns a body into an event, `calls` keeps answers so that a repeat gets the same,
`desk` does it, `api` is HTTP. `client` is for a till vendor to copy. docs/till.md says how it is used.
"""
