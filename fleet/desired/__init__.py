"""Desired state: what each kit is to run and whether it does. docs/desired-state.md

`desired` is the part that others use; `head` and `rows` store, `orders` signs, `floor` keeps numbers from falling, `folder` makes
directives from today's rules folder, `report` reads what hosts say, `facts` and `why` judge it, `stops` stops a kit."""
