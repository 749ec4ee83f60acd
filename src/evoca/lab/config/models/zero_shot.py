"""Options of classification by sentences, without a single labelled image."""

from __future__ import annotations

from typing import ClassVar, Literal

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Features, Network, TrainedBy
from evoca.lab.config.prompts import Prompts, load_prompts

__all__ = ["ZeroShot"]


class ZeroShot(Network):
    """An image's embedding, compared with those of sentences that name the emotions.

    Attributes:
        system: its name.
        prompts: name of a file of sentences in the package, or the path of one.
    """

    system: Literal["zero_shot"]
    trained_by: ClassVar[TrainedBy] = "nothing"
    prompts: str = "evoked"

    def frozen_features(self) -> Features:
        """Return the embedding that is comparable with sentences."""
        return Features("last", "embedding")

    def check_files(self) -> None:
        """Check that the sentences can be read."""
        self.sentences()

    def sentences(self) -> Prompts:
        """Return the sentences that name the emotions."""
        return load_prompts(self.prompts)

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return a sentence on what is compared."""
        return [
            f"Cosines of the image's embedding and of each emotion's sentences ({self.prompts}); "
            "no image is learnt from."
        ]
