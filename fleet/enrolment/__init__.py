"""Devices that nobody made known: they wait, people decide, credentials end (docs/enrolment.md).

`signed`, `codes` and `pending` are parts; `decide` is what people do, over a connection, with its line in the audit log;
`desk` is the running controller's side. What a bench registers beforehand is in fleet.enrolled."""
