"""Writing campaigns: JSON that people read, checked in plain words, compiled for bricks, and signed.

`model*` and `schema/` are the form of campaign/2, `intake` what comes in; `compile2` with `tables`, `rules2`,
`built`, `given`, `typed`, `measures` and `schedule` makes rulesets of it, `possible` and `lints` look twice, `prose`
and `phrases` tell it back. `compile`, `conditions` and `words` are campaign/1, which still compiles. Called by
`stallmark rules`, by `stallmark kit new` and by the controller's console. Nothing here runs on a kit; what a rule does
is decided by firmware/stallmark alone, and what is explained here is read back from the compiled bytes."""
