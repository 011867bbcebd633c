"""What somebody must look at: each with who, since when, and what to do (docs/alerts.md).

`judge` is pure: facts and an instant in, alerts out, the most pressing first. `gather` reads the facts from the controller's
database and its folder of signed lists. Nothing is sent by itself yet."""
