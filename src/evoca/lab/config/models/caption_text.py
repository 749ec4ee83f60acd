"""Options of systems that put a picture into words."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Dropout, Network

__all__ = ["CaptionText"]


class CaptionText(Network):
    """A generated caption's vector, beside the captioner's own of the picture.

    Attributes:
        system: its name.
        vectors: ``both`` side by side, or the caption's, ``text``, alone.
        encoder: turns the caption into a vector: a hub's name, or a folder in the form of
            ``save_pretrained``, with a ``/`` at its end.
        encoder_revision: of the hub: a commit, a tag or a branch; its newest if omitted.
        beams: of the search for the likeliest caption; 1 takes the likeliest word each time.
        words: most tokens of a caption.
        hidden: units of the layers before the last, each followed by a ReLU.
        dropout: of the vector, before the first layer.
    """

    takes_svm: ClassVar[bool] = False
    system: Literal["caption_text"]
    vectors: Literal["both", "text"] = "both"
    encoder: str = "sentence-transformers/all-MiniLM-L6-v2"
    encoder_revision: str | None = None
    beams: Annotated[int, Field(ge=1, le=20)] = 3
    words: Annotated[int, Field(ge=1, le=200)] = 20
    hidden: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = ()
    dropout: Dropout = 0.0

    def hub_names(self) -> tuple[str, ...]:
        """Return the name of the encoder, unless it is a folder."""
        return () if self.encoder.endswith("/") else (self.encoder,)

    def extras(self) -> tuple[str, ...]:
        """Return the extra that has the encoder, where a hub gives it."""
        return ("caption",) if self.hub_names() else ()

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on what is captioned, and on the input of the layers."""
        pinned = self.encoder_revision or "not pinned"
        beside = ", beside the picture's own vector" if self.vectors == "both" else ""
        hidden = "".join(f"a layer of {units} with ReLU, " for units in self.hidden)
        lines = [
            f"A caption of at most {self.words} tokens by {backbone.name}, beam search of "
            f"{self.beams}; its mean vector by {self.encoder} (revision {pinned}){beside}; "
            f"{hidden}a layer with one unit per label."
        ]
        if self.dropout:
            lines.append(f"Dropout {self.dropout:g} before the first layer.")
        return [*lines, f"Cannot be exported: {self.no_bundle()}."]

    def no_bundle(self) -> str:
        """Return the reason: a caption is a search."""
        return (
            "a caption is written word by word and read again as text, which no plain ONNX "
            "graph does; jacobson2019-caption-embedding exports the same captioner's image vector"
        )
