"""Groups of commands that load a command's module when it is called: listing them, or calling another, does not."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, cast

import typer
import typer.core
import typer.main

# typer carries a click of its own, whose classes are not importable by public names: hence Any.


class Place(NamedTuple):
    """Where a command stands: `attribute` of `module` is a typer.Typer or a function (one command); `line` says
    what it is for, where commands are listed."""

    module: str
    attribute: str
    line: str


class Later(typer.core.TyperCommand):
    """Stands in the list for a command that is not loaded."""

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, help=place.line, short_help=place.line)
        self.place = place

    def load(self) -> Any:
        """The command itself. Raises ModuleNotFoundError where a package is missing."""
        found: Any = getattr(importlib.import_module(self.place.module), self.place.attribute)
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command(self.name)(found)
            found = app
        alone = len(found.registered_commands) == 1 and not found.registered_groups and not found.registered_callback
        # A group's options for completion would be for the group alone: of no use to anybody.
        command: Any = (typer.main.get_command if alone else typer.main.get_group)(found)
        command.name = self.name
        command.help = command.help or self.place.line
        return command


class LazyGroup(typer.core.TyperGroup):
    """A group of which some commands are loaded when they are called. Made by `group`."""

    places: ClassVar[Mapping[str, Place]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, place in self.places.items():
            self.add_command(Later(name, place), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Whoever is called is loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Later) else command, rest


def group(places: Mapping[str, tuple[str, str, str]], base: type[LazyGroup] = LazyGroup) -> type[LazyGroup]:
    """The class for `typer.Typer(cls=…)`: beside the app's own commands those of `places`, by their names: (module,
    attribute, line)."""
    made = {name: Place(*place) for name, place in places.items()}
    return cast("type[LazyGroup]", type(base.__name__, (base,), {"places": made}))
