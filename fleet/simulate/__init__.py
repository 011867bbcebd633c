"""The simulator's command, and its live form: many real HTTP hosts at one real controller process. docs/rollouts.md, *Simulator*

`town` makes the controller's folder, `process` runs the controller, `host` and `carrying` are one host, `crowd` all of them.
`play` has a rollout go out to them and counts. The virtual form is fleet/rollouts/simulate.py; faults, story, words and picture
are the same."""
