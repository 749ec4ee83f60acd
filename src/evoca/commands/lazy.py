"""Groups of commands whose modules are imported only when a command is requested.

``evoca --help`` names every command; to import them all would take most of a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from evoca.commands.exits import command_app
from evoca.commands.help import HelpGroup
from evoca.errors import did_you_mean
from evoca.plugins import plugin_names

__all__ = ["group_app", "lazy_group"]


def lazy_group(
    commands: Mapping[str, tuple[str, str]],
    plugin_group: str | None = None,
    titles: Mapping[str, Sequence[str]] | None = None,
) -> type[HelpGroup]:
    """Return the class of a group with these commands.

    Args:
        commands: name to the module, which has an ``app``, and the line of the group's help.
        plugin_group: entry points of other packages that are commands too, each a module
            with an ``app``; none goes before a command of the table.
        titles: title of a section of the help to the commands in it.
    """

    def added() -> Mapping[str, str]:
        names = plugin_names(plugin_group) if plugin_group is not None else {}
        return {name: module for name, module in names.items() if name not in commands}

    class LazyGroup(HelpGroup):
        sections = titles or {}

        def hint(self, word: str, names: Sequence[str]) -> str:
            """Return what may have been meant: for a file or an address, the first command."""
            found = super().hint(word, names)
            if "predict" not in names:
                return found
            as_input = f"; did you mean evoca predict {word}?"
            if "/" in word or "." in word:
                return as_input
            if "did you mean" in found:
                return found
            inner = did_you_mean(word, _inner("evoca.commands.data.app"), limit=1)
            if "did you mean" in inner:
                return inner.replace("mean ", "mean evoca data ")
            return as_input if Path(word).exists() else found

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

        def about(self, ctx: Any) -> Mapping[str, str]:
            """Return the table, without importing anything."""
            del ctx
            table = {name: about for name, (_, about) in commands.items()}
            others = {name: module.split(".")[0] for name, module in added().items()}
            return table | {name: f"Comes with {package}." for name, package in others.items()}

    return LazyGroup


def _inner(module: str) -> Sequence[str]:
    """Return the names of a group's commands, which a user may take for commands of evoca."""
    return tuple(import_module(module).COMMANDS)


def group_app(
    commands: Mapping[str, tuple[str, str]],
    plugin_group: str | None = None,
    titles: Mapping[str, Sequence[str]] | None = None,
    **options: Any,
) -> typer.Typer:
    """Return an app with these commands; for the arguments see :func:`lazy_group`."""
    group = lazy_group(commands, plugin_group, titles)
    return command_app(cls=group, no_args_is_help=True, **options)
