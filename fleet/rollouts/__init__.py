"""Rollouts: a release goes to kits in waves that stop by themselves.

Pure, the same in production, in replay and in the simulator: plan, rank, facts, state, engine and its parts (kits, waves,
back, allow, why), gates. With a database: book. With a clock: runner. What the states and verbs mean: docs/rollouts.md
"""
