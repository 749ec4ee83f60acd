"""The help of commands: whole sentences, groups, examples, and no names of Python's types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from evoca.errors import did_you_mean, single_line

__all__ = ["HelpCommand", "HelpGroup", "as_epilog"]

_TYPE = re.compile(r" ?<([^<>]*)>(\.\.\.)?")
_RANGES = (
    (re.compile(r"(-?[\d.]+)<=x<=(-?[\d.]+)"), r"\1 to \2"),
    (re.compile(r"x>=(-?[\d.]+)"), r"at least \1"),
    (re.compile(r"x<=(-?[\d.]+)"), r"at most \1"),
)
_OUT_OF_RANGE = re.compile(r"(.+) is not in the range (.+)\.")
_NO_NUMBER = re.compile(r"'(.*)' is not a valid (integer|float)(?: range)?\.")


def as_epilog(examples: Sequence[str]) -> str:
    """Return examples as the text that :class:`HelpCommand` shows below the options."""
    return "\n".join(examples)


class _Help:
    """What the help of a command and of a group have alike."""

    epilog: str | None
    params: list[Any]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; a value that is refused is told in words of our own."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        except typer.BadParameter as error:
            error.message = _refusal(error)
            raise

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, a line each, which no width breaks."""
        del ctx
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def write_parameters(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options without the types that the library adds."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in [*self.params, self.get_help_option(ctx)]:  # type: ignore[attr-defined]
            record = None if param is None else param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                name, _ = _argument(param)
                rows["Arguments"].append((name, _in_words(record[1])))
            else:
                rows["Options"].append((_TYPE.sub(_choices, record[0]), _in_words(record[1])))
        for title, found in rows.items():
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)

    def usage_pieces(self) -> list[str]:
        """Return what stands behind the command in its first line."""
        arguments = [p for p in self.params if p.param_type_name == "argument"]
        return ["[OPTIONS]", *(_argument(param)[1] for param in arguments)]


class HelpCommand(_Help, TyperCommand):
    """A command whose help ends with examples."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the pieces of the usage line."""
        del ctx
        return self.usage_pieces()

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        self.write_parameters(ctx, formatter)


class HelpGroup(_Help, TyperGroup):
    """A group that shows its commands in sections, each with a whole sentence."""

    sections: Mapping[str, Sequence[str]] = {}
    """Title to the names of commands; those in none stand under ``Commands``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands."""
        self.write_parameters(ctx, formatter)
        self.format_commands(ctx, formatter)

    def hint(self, word: str, names: Sequence[str]) -> str:
        """Return what to say of a word that is no command: the nearest, or what it may be for."""
        path = getattr(self, "path", "")
        near = did_you_mean(word, names)
        if "did you mean" in near:
            return near
        if "show" in names:
            return f"; did you mean {path} show {word}?"
        return near

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command, or fail with what may have been meant."""
        names = self.list_commands(ctx)
        word = args[0]
        if word in names or word.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        self.path = ctx.command_path
        return ctx.fail(
            f"No such command {single_line(word)!r}{self.hint(single_line(word), names)}"
        )

    def about(self, ctx: Any) -> Mapping[str, str]:
        """Return name to first sentence of every command."""
        found = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                found[name] = (command.help or "").partition("\n\n")[0].replace("\n", " ")
        return found

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, section by section."""
        about = dict(self.about(ctx))
        wide = max((len(name) for name in about), default=0)
        for title, names in (*self.sections.items(), ("Commands", tuple(about))):
            rows = [(name.ljust(wide), about.pop(name)) for name in names if name in about]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _argument(param: Any) -> tuple[str, str]:
    """Return an argument's name in the list, and in the usage line."""
    name = param.metavar or param.name.upper()
    if param.nargs != 1 and not name.endswith("..."):
        name += "..."
    return name, name if param.required else f"[{name}]"


def _refusal(error: typer.BadParameter) -> str:
    """Return why a value was refused, without the words of the libraries below.

    >>> _refusal(typer.BadParameter("0 is not in the range x>=1."))
    '0: must be at least 1'
    """
    cause = error.__cause__
    if cause is not None and hasattr(cause, "errors"):  # newer releases validate by pydantic
        from evoca.strict import plain_reason

        first = cause.errors(include_url=False)[0]
        if first["type"] == "value_error":  # names the value itself
            return plain_reason(first)
        return f"{single_line(str(first['input']))}: {plain_reason(first)}"
    if found := _OUT_OF_RANGE.fullmatch(error.message):
        return f"{found[1]}: must be {_in_words(found[2])}"
    if found := _NO_NUMBER.fullmatch(error.message):
        return f"{found[1]}: must be a {'whole ' * (found[2] == 'integer')}number"
    return error.message


def _choices(found: re.Match[str]) -> str:
    return f" {found[1]}" if "|" in found[1] else ""


def _in_words(text: str) -> str:
    """Return a help text with its limits in words.

    >>> _in_words("Draw N times.  [default: 1000; x>=1]")
    'Draw N times.  [default: 1000; at least 1]'
    """
    for pattern, words in _RANGES:
        text = pattern.sub(words, text)
    return text
