"""``evoca recipes``: list, show, backbones. Needs the extra ``train``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from evoca.commands.exits import command, command_app, finish
from evoca.commands.options import (
    ProfileOption,
)
from evoca.commands.terminal import clean, console_for

__all__ = ["app", "list_backbones", "list_recipes", "show_recipe"]

app = command_app(help="The systems that can be trained.", invoke_without_command=True)


@app.callback()
def _recipes(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        finish(list_recipes)


_INDENT = 2


@command(app, "list")
def list_recipes() -> None:
    """List the recipes."""
    from evoca.lab.config.recipe import load_recipe, recipe_names
    from evoca.papers import load_papers

    console = console_for()
    recipes = [load_recipe(name) for name in recipe_names()]
    for paper in ("", *load_papers()):
        if not any((recipe.paper or "") == paper for recipe in recipes):
            continue
        cited = load_papers()[paper].cited() if paper else "Our own"
        console.print(Text(cited, style="bold underline"), soft_wrap=not console.is_terminal)
        for recipe in recipes:
            if (recipe.paper or "") == paper:
                _entry(recipe.name, recipe.summary)


@command(app, "show")
def show_recipe(
    name: Annotated[str, typer.Argument(help="A recipe's name or file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting first; repeatable."),
    ] = None,
    profile: ProfileOption = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print every setting, as a recipe's file has it.")
    ] = False,
) -> None:
    """Explain a recipe: its network, what is trained when, what its paper leaves open."""
    import yaml

    from evoca.lab.config.describe import in_words
    from evoca.lab.config.recipe import load_recipe

    recipe = load_recipe(name, settings or [], profile)
    if as_yaml:
        content = recipe.model_dump(mode="json", exclude_none=True)
        print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), end="")
        return
    console = console_for()
    console.print(Text(clean(recipe.name), style="bold"))
    for heading, lines in in_words(recipe):
        console.print(Text(heading, style="bold"))
        for line in lines:
            _indented(line)


@command(app, "backbones")
def list_backbones() -> None:
    """List the pretrained networks that recipes can name."""
    from evoca.lab.config.backbone import backbone_names, find_backbone

    for name in backbone_names():
        record = find_backbone(name)
        about = f"{record.size} pixels; weights: {record.source} ({record.licence}); {record.paper}"
        _entry(name, about)


def _entry(name: str, about: str) -> None:
    console_for().print(Text(f"  {clean(name)}", style="bold"))
    _indented(about, 2 * _INDENT)


def _indented(line: str, by: int = _INDENT) -> None:
    console = console_for()
    text = Text(clean(line))
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, by)))
    else:
        console.print(Text(" " * by) + text, soft_wrap=True)
