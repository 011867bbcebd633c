"""Whom the fleet trusts: offline keys of root and authors, online keys, the TUF repository of releases. docs/trust.md

Here lie the commands of key holders (`stallmark fleet keys`, `stallmark fleet release`) and what the controller serves and
renews. What a host believes of it is hostagent/trust; what a brick believes is the core's own module. Nothing here knows
of rollouts: which kit gets which release is said by directives."""
