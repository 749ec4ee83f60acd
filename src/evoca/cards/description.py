"""The description of a bundle, ``model.json`` and ``README.md``, written into it again."""

from __future__ import annotations

from pathlib import Path

from evoca.cards.card import render_card
from evoca.drafts import drafted
from evoca.errors import EvocaError
from evoca.images import printable_name
from evoca.runtime.bundle import Bundle, bundled_models
from evoca.runtime.card import ModelCard

__all__ = ["require_changeable", "write_description"]


def require_changeable(name: str) -> None:
    """Refuse a bundle of the installed package, whose files belong to the installation.

    Args:
        name: of a bundled model, or the path of a bundle directory.

    Raises:
        EvocaError: it is one.
    """
    shipped = bundled_models().get(name) or _installed(Path(name))
    if shipped is not None:
        raise EvocaError(
            f"{name}: is part of the installed package, whose files are not changed: copy "
            f"{printable_name(shipped)} to a folder of your own and name that"
        )


def write_description(bundle: Bundle, card: ModelCard) -> None:
    """Write a changed card into ``model.json``, and ``README.md`` in any case.

    Args:
        bundle: a directory that may be changed, see :func:`require_changeable`.
        card: to write.

    Raises:
        OSError: a file cannot be written.
    """
    if card is not bundle.card:
        _replace(bundle.path / "model.json", card.model_dump_json(indent=2) + "\n")
    _replace(bundle.path / "README.md", render_card(card))


def _installed(path: Path) -> Path | None:
    """Return the target of a path, if that is a model of the installed package."""
    real = path.resolve()
    ships = real in {shipped.resolve() for shipped in bundled_models().values()}
    return real if ships and not _is_checkout(real.parents[1]) else None


def _is_checkout(package: Path) -> bool:
    """Return whether the package lies in its own sources, whose files may be changed."""
    project = package.parent.parent / "pyproject.toml"
    is_file = package.parent.name == "src" and project.is_file()
    return is_file and 'name = "evoca"' in project.read_text(encoding="utf-8")


def _replace(file: Path, text: str) -> None:
    """Write all of a file or none of it."""
    with drafted(file) as draft:
        draft.write_text(text, encoding="utf-8")
