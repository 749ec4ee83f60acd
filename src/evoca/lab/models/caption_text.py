"""Captions and their vectors, and a classifier on them and the captioner's picture vector.

The stated purpose of jacobson2019, which it did not reach: caption the image, then predict
from the text of the caption (its discussion); the fusion with the image is ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones import Trunk
from evoca.lab.backbones.library import adapter_of
from evoca.lab.backbones.transformers import captioner_of, folder_of, load_encoder, load_tokenizer
from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models import CaptionText
from evoca.lab.models.base import Pool, StagedSystem, Surroundings, SystemOutputs, registered
from evoca.lab.models.classifier import Head

__all__ = ["Captioned", "PictureAndCaption", "Words", "load_words"]


class Words:
    """Captions of a captioner's vision tower, and their vectors.

    It is no module: it is not trained, no gradient passes through words, and it is not
    saved with the trained weights. A fingerprint stands for it.
    """

    def __init__(
        self, decoder: nn.Module, tokenizers: tuple[Any, Any], encoder: nn.Module, how: CaptionText
    ) -> None:
        """Join the parts.

        Args:
            decoder: a captioner's, which writes with attention to the tower's states.
            tokenizers: of the captioner and of the encoder.
            encoder: of text.
            how: captions are searched for.
        """
        self._decoder = decoder.eval().requires_grad_(requires_grad=False)
        self._encoder = encoder.eval().requires_grad_(requires_grad=False)
        self._tokenizer, self._encoder_tokenizer = tokenizers
        self._how = how
        self.width = int(cast("Any", encoder).config.hidden_size)
        self.fingerprint = _fingerprint(decoder, encoder, how)

    @torch.no_grad()
    def captions(self, seen: Tensor) -> list[str]:
        """Return a caption for each picture.

        Args:
            seen: float (N, L, C), the last states of the captioner's vision tower.
        """
        config = cast("Any", self._decoder).config
        decoder = cast("Any", self._decoder.to(seen.device))
        start = torch.full((len(seen), 1), config.bos_token_id, device=seen.device)
        written = decoder.generate(
            input_ids=start,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], device=seen.device).long(),
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
            max_new_tokens=self._how.words,
            num_beams=self._how.beams,
            do_sample=False,
        )
        texts = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return [text.strip() for text in texts]

    @torch.no_grad()
    def vectors(self, texts: list[str], device: torch.device) -> Tensor:
        """Return float (N, D): the mean of each text's token states, of length 1.

        Reimers & Gurevych 2019, section 3: mean pooling.
        """
        tokens = self._encoder_tokenizer(
            texts, padding=True, truncation=True, max_length=128, return_tensors="pt"
        ).to(device)
        states = cast("Any", self._encoder.to(device))(**tokens).last_hidden_state
        there = tokens["attention_mask"][:, :, None].to(states.dtype)
        mean = (states * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        return nn.functional.normalize(mean, dim=1)


def load_words(record: Backbone, how: CaptionText, weights: str) -> Words:
    """Return a captioner's decoder and the encoder of its captions.

    Args:
        record: of the captioner.
        how: captions are searched for and read.
        weights: ``recorded`` or a folder, with a ``/`` at its end.

    Raises:
        EvocaError: the backbone is no captioner, or cannot be had with its words.
        MissingExtraError: transformers is not installed.
    """
    if not adapter_of(record).writes:
        raise EvocaError(
            f"model.backbone: {record.name} writes no captions: a captioner is needed, such as "
            "blip_base"
        )
    if weights != "recorded" and not weights.endswith("/"):
        raise EvocaError(
            f"model.weights: a captioner needs its words beside its weights: recorded, or a "
            f"folder with a / at its end, not {weights}"
        )
    source = str(record.weights.hub) if weights == "recorded" else weights
    captioner = cast("Any", captioner_of(record, weights))
    folder = folder_of(source, record.weights.revision)
    reader = folder_of(how.encoder, how.encoder_revision)
    tokenizers = load_tokenizer(folder), load_tokenizer(reader)
    return Words(captioner.text_decoder, tokenizers, load_encoder(reader), how)


def _fingerprint(decoder: nn.Module, encoder: nn.Module, how: CaptionText) -> str:
    about = how.model_dump_json(include={"beams", "words"})
    digest = hashlib.sha256(about.encode())
    for module in (decoder, encoder):
        for name, tensor in module.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


class PictureAndCaption(nn.Module):
    """The vector of a vision tower's states, beside the vector of the generated caption.

    Each has a mean square of 1, so that neither dominates.
    """

    def __init__(self, pool: nn.Module, words: Words, vectors: Literal["both", "text"]) -> None:
        super().__init__()
        self.pool = pool
        self.words = words
        self.vectors = vectors

    def forward(self, seen: Tensor) -> Tensor:
        """Return (N, D) of the tower's last states (N, L, C)."""
        caption = _even(self.words.vectors(self.words.captions(seen), seen.device))
        if self.vectors == "text":
            return caption
        return torch.cat([_even(self.pool(seen)), caption], dim=1)

    def extra_repr(self) -> str:
        """Return what decides the words, since the cache of vectors depends on it."""
        return f"{self.vectors}, words={self.words.fingerprint}"


def _even(vector: Tensor) -> Tensor:
    return cast("Tensor", nn.functional.normalize(vector, dim=1) * vector.shape[1] ** 0.5)


class Captioned(StagedSystem):
    """A captioner's vision tower, its words, and fully connected layers."""

    def __init__(self, trunk: Trunk, join: PictureAndCaption, head: Head) -> None:
        super().__init__(trunk)
        self.join = join
        self.head = head

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the head."""
        return {"head": [self.head]}

    def chain(self) -> list[nn.Module]:
        """Return stages, the vectors and the head."""
        return [*self.trunk.stages(), self.join, self.head]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; outside training also the vectors as embedding."""
        vector = self.join(self._seen(image))
        outputs: SystemOutputs = self.head(vector)
        return outputs if self.training else outputs._replace(embedding=vector)

    @torch.inference_mode()
    def captions(self, image: Tensor) -> list[str]:
        """Return the captions of uint8 images (N, H, W, 3)."""
        return self.join.words.captions(self._seen(image))

    def _seen(self, image: Tensor) -> Tensor:
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        return x


@registered(CaptionText)
def build(options: CaptionText, around: Surroundings) -> Captioned:
    """Return a captioned classifier."""
    words = load_words(around.recipe.backbone, options, around.weights or options.weights)
    trunk = around.trunk(options)
    channels = trunk.shapes(*around.size)[-1][0]
    width = words.width + (channels if options.vectors == "both" else 0)
    join = PictureAndCaption(Pool(trunk, trunk.record.pool), words, options.vectors)
    return Captioned(trunk, join, Head(width, options.hidden, around.labels, options.dropout))
