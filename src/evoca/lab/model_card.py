"""The model card: ``model.json`` in words, for people."""

from __future__ import annotations

from evoca.runtime.card import Metric, ModelCard

__all__ = ["render_card"]

_EXPLAINED = {
    "accuracy": "top emotion is the true label",
    "balanced_accuracy": "recall averaged over emotions",
    "macro_f1": "F1 averaged over emotions",
    "polarity_accuracy": "positive or negative is right",
    "ece": "calibration error, top label, 10 equal-mass bins (lower is better)",
    "nll": "negative log-likelihood, nats (lower is better)",
    "brier": "squared error of the distribution, summed over emotions (lower is better)",
    "set_coverage": "prediction set holds the true label",
    "set_size": "emotions in a prediction set, on average",
}


def render_card(card: ModelCard) -> str:
    """Return the card as Markdown."""
    parts = [
        f"# {card.name}\n\n{card.summary}",
        _use(),
        _data(card),
        _figures(card),
        _evidence(card),
        _technical(card),
        _terms(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _use() -> str:
    return """## What it is for

It estimates which emotion a photograph *evokes in people who look at it*, as a
distribution over eight emotions. It does not read the emotion of anyone in the picture,
nor of any one viewer: evoked is not felt. Do not use it to infer a person's state, to
diagnose, to decide about anyone, or to steer people without their knowledge."""


def _data(card: ModelCard) -> str:
    origin = card.provenance
    return f"""## Data

{origin.data}.

Labels of such sets come from a few paid online workers an image (FI: Amazon Mechanical
Turk), who were asked whether it evokes an emotion. The model carries their culture and
their disagreements, and is no better than their majority: several emotions are often right
for one picture, which is what the prediction set is for. The first 16 digits of the SHA-256
of each training image are kept in model.json, so that an evaluation can tell what was seen."""


def _figures(card: ModelCard) -> str:
    rows = [
        f"| {key} | {_figure(metric)} | {_EXPLAINED.get(key, '')} |"
        for key, metric in card.metrics.items()
    ]
    emotions = [
        "| {} | {:.3f} | {:.3f} | {:.3f} | {:.0f} |".format(
            label, *(figures[k] for k in ("precision", "recall", "f1", "support"))
        )
        for label, figures in card.per_emotion.items()
    ]
    return "\n".join(
        [
            "## How well it works",
            "",
            f"Protocol: {card.provenance.protocol}.",
            "Penalty, temperature and set threshold are chosen inside each training part.",
            f"Chance is {1 / len(card.labels):.3f}.",
            "",
            "| figure | value [95% interval] | meaning |",
            "|---|---|---|",
            *rows,
            "",
            "| emotion | precision | recall | F1 | images |",
            "|---|---|---|---|---|",
            *emotions,
        ]
    )


def _evidence(card: ModelCard) -> str:
    if card.evidence_kind is None:
        return ""
    text = f"## Evidence map\n\nKind: {card.evidence_kind}."
    if card.evidence_kind == "additive":
        text += (
            " The spatial mean of an emotion's map plus its bias is exactly that emotion's\n"
            "logit, so a cell's value is its share in the answer."
        )
    test = card.deletion_test
    if test is not None:
        text += f"""

Deletion test on {test.images} held-out images (cells are replaced by the mean colour, the
most important first; area under the probability of the top emotion, relative to the
untouched picture; lower is better): map {test.evidence:.3f}, random order
{test.random:.3f}, centre first {test.centre:.3f}. Difference to random
{_figure(test.evidence_minus_random)}, to centre {_figure(test.evidence_minus_centre)}."""
    return text


def _technical(card: ModelCard) -> str:
    size = card.preprocessing
    return f"""## Technical

- Recipe `{card.provenance.recipe}`, backbone {", ".join(card.provenance.backbones)}
- Input: {size.width} x {size.height} pixels, `{size.resize}`, `{size.filter}`; JPEGs decoded at
  no less than {size.jpeg_min_scale:g} times that size
- Temperature {card.temperature:.4f}; prediction sets: p >= {card.set_threshold:.4f} for
  {card.set_coverage:.0%} coverage
- Labels: {", ".join(card.labels)} ({card.taxonomy})
- Made by Evoca {card.provenance.evoca_version}, bundle format {card.format_version}"""


def _terms(card: ModelCard) -> str:
    return f"""## Terms

Code: {card.licence.code}. Weights: {card.licence.weights}"""


def _figure(metric: Metric) -> str:
    return f"{metric.value:.3f} [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
