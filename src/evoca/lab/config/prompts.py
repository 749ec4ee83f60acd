"""Sentences that name emotions, read from a file: what zero-shot classification compares."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from evoca.emotions import parts_of
from evoca.lab.config.base import Packaged
from evoca.strict import Strict

__all__ = ["Prompts", "load_prompts"]

_WORD = "{word}"
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class Prompts(Strict):
    """Templates and the words that fill them.

    Attributes:
        summary: what they are.
        templates: sentences with ``{word}`` in them.
        words: label to words; a label without stands for itself.
    """

    summary: str
    templates: Annotated[tuple[_Text, ...], Field(min_length=1)]
    words: dict[str, Annotated[tuple[_Text, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )

    @field_validator("templates")
    @classmethod
    def _have_a_place(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if _WORD not in template:
                raise ValueError(f"{template!r} has no {_WORD} to fill")
        return templates

    def sentences(self, label: str) -> list[str]:
        """Return every template filled with every word of a label's emotions."""
        words = [word for part in parts_of(label) for word in self.words.get(part, (part,))]
        return [t.replace(_WORD, word) for t in self.templates for word in words]


def load_prompts(name: str) -> Prompts:
    """Return sentences by name, or from a ``.yaml`` file.

    >>> load_prompts("plain").sentences("awe")
    ['a photo of awe.']

    Raises:
        RecipeError: there are none, or the file does not hold together.
    """
    return Packaged("prompts", "prompts", Prompts).load(name)
