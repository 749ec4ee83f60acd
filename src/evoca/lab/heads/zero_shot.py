"""An image's embedding against those of sentences (Radford et al. 2021, section 3.1).

The logit of a label is the learnt scale times the cosine of the image's embedding and the
label's: the mean of its sentences' embeddings, of length 1 (section 3.1.4). That is a
linear layer on the image's embedding, and is stored, calibrated and exported as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from evoca.lab.backbones.library import TextTower, adapter_of
from evoca.lab.config.prompts import Prompts
from evoca.lab.config.recipe import Recipe, RecipeError
from evoca.lab.heads.linear import LinearHead

__all__ = ["sentence_head", "zero_shot_head"]


def zero_shot_head(recipe: Recipe, labels: Sequence[str]) -> LinearHead:
    """Return the layer of a recipe's text tower and sentences.

    Raises:
        EvocaError: the backbone has no text tower, or it or the sentences cannot be had.
    """
    prompts = recipe.model.sentences()
    if prompts is None:
        raise RecipeError(f"{recipe.name}: a {recipe.model.system} compares no sentences")
    network, *_ = recipe.model.networks()
    tower = adapter_of(recipe.backbone).text_tower(recipe.backbone, network.weights)
    return sentence_head(tower, prompts, labels)


def sentence_head(tower: TextTower, prompts: Prompts, labels: Sequence[str]) -> LinearHead:
    """Return the layer whose rows are the labels' sentences, embedded and averaged.

    Args:
        tower: embeds sentences.
        prompts: templates and words.
        labels: K of them.
    """
    means = torch.stack([tower(prompts.sentences(label)).mean(dim=0) for label in labels])
    weight = tower.scale * nn.functional.normalize(means, dim=1)
    return LinearHead(weight.double().numpy(), torch.zeros(len(labels)).double().numpy(), 1.0)
