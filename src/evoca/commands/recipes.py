"""``evoca recipes``: list, show, backbones. Needs the extra ``train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from evoca.commands.exits import command, command_app, finish
from evoca.commands.options import (
    ProfileOption,
    recipes_named,
)
from evoca.commands.terminal import clean, console_for, indented, say
from evoca.errors import did_you_mean
from evoca.words import counted

if TYPE_CHECKING:
    from evoca.lab.config.needs import Took

__all__ = ["app", "list_backbones", "list_recipes", "show_recipe"]

app = command_app(
    help="List and explain the systems that can be trained.",
    examples=("evoca recipes list --paper najid2018", "evoca recipes show default"),
    invoke_without_command=True,
)

_OWN = "own"


@app.callback()
def _recipes(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        finish(list_recipes)


@command(
    app,
    "list",
    examples=(
        "evoca recipes list",
        "evoca recipes list --paper najid2018 --no-needs-hub --profile lite0",
        "evoca recipes list --minutes 1",
    ),
)
def list_recipes(
    paper: Annotated[
        str | None,
        typer.Option("--paper", metavar="KEY", help="Keep those of this paper; own: our own."),
    ] = None,
    needs_hub: Annotated[
        bool | None,
        typer.Option(
            "--needs-hub/--no-needs-hub",
            help="Keep those whose weights come from a model hub, or those that need none.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            min=0.0,
            metavar="N",
            help="Keep those whose measured training took about N minutes of one core at most.",
        ),
    ] = None,
    profile: ProfileOption = None,
) -> None:
    """List the recipes, what each needs, and how long it took where it was measured."""
    from evoca.lab.config.needs import needs_of, time_of
    from evoca.lab.config.recipe import load_recipe, recipe_names
    from evoca.papers import load_papers

    papers = load_papers()
    if paper is not None and paper not in {_OWN, *papers}:
        raise typer.BadParameter(
            f"no paper {paper!r}{did_you_mean(paper, [_OWN, *papers])}", param_hint="--paper"
        )
    console = console_for()
    recipes = [load_recipe(name, profile=profile) for name in recipe_names()]
    kept = [
        recipe
        for recipe in recipes
        if paper in {None, recipe.paper or _OWN}
        and needs_hub in {None, bool(needs_of(recipe).hub)}
        and (minutes is None or _within(time_of(recipe.name), minutes))
    ]
    for key in (_OWN, *papers):
        of_paper = [recipe for recipe in kept if (recipe.paper or _OWN) == key]
        if not of_paper:
            continue
        cited = "Our own" if key == _OWN else f"{papers[key].cited()} [{key}]"
        console.print(Text(cited, style="bold underline"), soft_wrap=not console.is_terminal)
        for recipe in of_paper:
            took = time_of(recipe.name)
            _entry(recipe.name, recipe.summary)
            indented(f"needs {needs_of(recipe)}; {took or 'time not measured'}", 4)
    if len(kept) < len(recipes):
        say(f"evoca: {len(kept)} of {counted(len(recipes), 'recipe')}")


def _within(took: Took | None, minutes: float) -> bool:
    return took is not None and took.minutes <= minutes


@command(
    app,
    "show",
    examples=(
        "evoca recipes show default",
        "evoca recipes show najid2018-resnet101-fc --profile lite0 --yaml",
    ),
)
def show_recipe(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            autocompletion=recipes_named,
            help="Explain this recipe: its name, or a .yaml file.",
        ),
    ],
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
            indented(line)


@command(app, "backbones", examples=("evoca recipes backbones",))
def list_backbones() -> None:
    """List the pretrained networks that recipes can name."""
    from evoca.lab.config.backbone import backbone_names, find_backbone

    for name in backbone_names():
        record = find_backbone(name)
        about = f"{record.size} pixels; weights: {record.source} ({record.licence}); {record.paper}"
        _entry(name, about)


def _entry(name: str, about: str) -> None:
    console_for().print(Text(f"  {clean(name)}", style="bold"))
    indented(about, 4)
