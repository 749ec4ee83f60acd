"""Groups of commands whose modules are imported when a command is asked for, and not before.

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

__all__ = ["group_app", "lazy_group"]


def lazy_group(commands: Mapping[str, tuple[str, str]]) -> type[TyperGroup]:
    """Return the class of a group with these commands.

    Args:
        commands: name to the module, which has an ``app``, and the line of the group's help.
    """

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            """Return the names, in the order of the table."""
            del ctx
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """Import and return a command; ``None`` where there is none of this name."""
            del ctx
            if cmd_name not in commands:
                return None
            found = get_command(import_module(commands[cmd_name][0]).app)
            found.name = cmd_name
            return found

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            """Write the table into the help, without importing anything."""
            del ctx
            with formatter.section("Commands"):
                formatter.write_dl([(name, about) for name, (_, about) in commands.items()])

    return LazyGroup


def group_app(commands: Mapping[str, tuple[str, str]], **options: Any) -> typer.Typer:
    """Return an app that consists of such a group."""
    return command_app(cls=lazy_group(commands), no_args_is_help=True, **options)
