"""Groups of commands whose modules are imported only when a command is requested.

``evoca --help`` names every command; to import them all would take most of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from evoca.commands.exits import command_app
from evoca.plugins import plugin_names

__all__ = ["group_app", "lazy_group"]


def lazy_group(
    commands: Mapping[str, tuple[str, str]], plugin_group: str | None = None
) -> type[TyperGroup]:
    """Return the class of a group with these commands.

    Args:
        commands: name to the module, which has an ``app``, and the line of the group's help.
        plugin_group: entry points of other packages that are commands too, each a module
            with an ``app``; none goes before a command of the table.
    """

    def added() -> Mapping[str, str]:
        names = plugin_names(plugin_group) if plugin_group is not None else {}
        return {name: module for name, module in names.items() if name not in commands}

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            """Return the names, in the order of the table."""
            del ctx
            return [*commands, *added()]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """Return a command, imported now; ``None`` where there is none of this name."""
            del ctx
            module = commands[cmd_name][0] if cmd_name in commands else added().get(cmd_name)
            if module is None:
                return None
            found = get_command(import_module(module).app)
            found.name = cmd_name
            return found

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            """Write the table into the help, without importing anything."""
            del ctx
            with formatter.section("Commands"):
                table = {name: about for name, (_, about) in commands.items()}
                table |= {name: f"Of {module.split('.')[0]}." for name, module in added().items()}
                formatter.write_dl([*table.items()])

    return LazyGroup


def group_app(
    commands: Mapping[str, tuple[str, str]], plugin_group: str | None = None, **options: Any
) -> typer.Typer:
    """Return an app with these commands; for the arguments see :func:`lazy_group`."""
    return command_app(cls=lazy_group(commands, plugin_group), no_args_is_help=True, **options)
