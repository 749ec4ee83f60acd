"""``evoca recipes``: list, show, backbones. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.padding import Padding
from rich.text import Text

from evoca.terminal import clean, console_for

__all__ = ["list_backbones", "list_recipes", "show_recipe"]

_INDENT = 2


def list_recipes() -> None:
    """Print the recipes by the paper they follow."""
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


def list_backbones() -> None:
    """Print the backbones with their size, licence and source of weights."""
    from evoca.lab.config.backbone import backbone_names, find_backbone

    for name in backbone_names():
        record = find_backbone(name)
        about = f"{record.size} pixels; weights: {record.source} ({record.licence}); {record.paper}"
        _entry(name, about)


def show_recipe(
    name: str, settings: Sequence[str], profile: str | None = None, *, as_yaml: bool
) -> None:
    """Explain a recipe in words, or print it with every setting as YAML."""
    import yaml

    from evoca.lab.config.describe import in_words
    from evoca.lab.config.recipe import load_recipe

    recipe = load_recipe(name, settings, profile)
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
