"""Put the result of a robustness probe, which runs on a finished bundle, into its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evoca.errors import DataError
from evoca.images import printable_name
from evoca.runtime.card import FORMAT_VERSION, ModelCard
from evoca.runtime.card_analysis import Analysis, Perturbation

__all__ = ["read_perturbations", "with_perturbations"]

_ROWS = TypeAdapter(tuple[Perturbation, ...])


def read_perturbations(file: Path) -> tuple[Perturbation, ...]:
    """Read the list ``perturbations`` that ``evoca probe`` wrote.

    Keys that a card has no room for are skipped.

    Raises:
        DataError: missing, not JSON, or without such a list.
    """
    where = printable_name(file)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON: {error}") from error
    rows = content.get("perturbations") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DataError(f"{where}: no list perturbations: this is not the result of a probe")
    try:
        return _ROWS.validate_python([_kept(row) for row in rows])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where}: perturbations.{place}: {first['msg']}") from error


def _kept(row: Any) -> Any:
    """Leave of a probe's row what a card has room for."""
    if not isinstance(row, dict):
        return row
    return {name: value for name, value in row.items() if name in Perturbation.model_fields}


def with_perturbations(card: ModelCard, found: tuple[Perturbation, ...]) -> ModelCard:
    """Return the card with these perturbations in place of any it had."""
    analysis = (card.analysis or Analysis()).model_copy(update={"perturbations": found})
    return card.model_copy(update={"analysis": analysis, "format_version": FORMAT_VERSION})
