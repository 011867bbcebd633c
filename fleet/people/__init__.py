"""People of a controller: accounts, sessions, tokens, roles, the two-person flow, the audit log (docs/people.md).

`roles` and `actors` are pure; `service.People` owns the tables; `access` is what routes ask. Devices are not here: hosts
are in fleet.api.access, benches in fleet.enrolled."""
