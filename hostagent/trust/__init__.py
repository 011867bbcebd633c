"""What this host believes of releases: TUF's client over HTTP or a stick, floors that a wiped cache does not lower.

Here signed lists are fetched, verified and remembered; nothing here installs. Callers: the updater (is this bundle on the
list?), `stallmark host update`. Whom it believes at first is said by config.json, `trust.root`. docs/trust.md"""
