"""How well a model works, what it confuses, and how far its answers can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

from evoca.documents.blocks import Block, Heading, Paragraph, Table
from evoca.runtime.card import DeletionTest, ModelCard
from evoca.runtime.card_analysis import AgreementErrors, Perturbation
from evoca.runtime.card_parts import Metric

__all__ = ["confusions", "elsewhere", "figure", "figures", "trust"]

_EXPLAINED = {
    "accuracy": "top emotion is the true label",
    "balanced_accuracy": "recall averaged over emotions",
    "macro_f1": "F1 averaged over emotions",
    "polarity_accuracy": "positive or negative is right",
    "ece": "calibration error, top label, 10 equal-mass bins (lower is better)",
    "nll": "negative log-likelihood, nats (lower is better)",
    "brier": "squared error of the distribution, summed over emotions (lower is better)",
    "top2_accuracy": "true label is among the two likeliest",
    "set_coverage": "prediction set holds the true label",
    "set_size": "emotions in a prediction set, on average",
    "kl": "divergence from the viewers' distribution, nats (lower is better)",
}
_PAIRS = 5


def figures(card: ModelCard) -> Iterator[Block]:
    """Give the headline with intervals, and the figures of every emotion."""
    yield Heading("How well it works")
    yield Paragraph(f"Protocol: {card.provenance.protocol}.")
    for caution in card.analysis.cautions if card.analysis is not None else ():
        yield Paragraph(caution)
    yield Paragraph(f"Chance is {1 / len(card.labels):.3f} where emotions are equally many.")
    rows = tuple(
        (key, _value(card, key, metric), _EXPLAINED.get(key, ""))
        for key, metric in card.metrics.items()
    )
    if rows:
        yield Table(("figure", "value [95% interval]", "meaning"), rows)
    if card.per_emotion:
        yield _per_emotion(card)


def _value(card: ModelCard, key: str, metric: Metric) -> str:
    """Return a figure with its interval; a calibration error with the band of chance.

    The draws of a calibration error say where that of other images would lie, not where the
    true one does: what it can be held against is what chance alone gives.
    """
    band = card.analysis.perfect_calibration if card.analysis is not None else None
    if key != "ece":
        return figure(metric)
    if band is None:  # a card of format 1
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} (by chance {band.ci95[0]:.3f} to {band.ci95[1]:.3f})"


def _per_emotion(card: ModelCard) -> Table:
    coverage = card.analysis.coverage_by_emotion if card.analysis is not None else {}
    columns = ["emotion", "precision", "recall", "F1", "images"]
    columns += ["in the set [95% interval]"] if coverage else []
    rows = []
    for label, own in card.per_emotion.items():
        row = [label, *(_share(own.get(key)) for key in ("precision", "recall", "f1"))]
        row.append(f"{own['support']:.0f}" if "support" in own else "")
        if coverage:
            row.append(figure(coverage[label]) if label in coverage else "")
        rows.append(tuple(row))
    return Table(tuple(columns), tuple(rows), numeric=len(columns) - 1)


def confusions(card: ModelCard) -> Iterator[Block]:
    """Name the pairs that are confused most, as shares of the first emotion's images."""
    if card.analysis is None or card.analysis.confusion is None:
        return
    found = []
    for truth, row in zip(card.labels, card.analysis.confusion, strict=True):
        total = sum(row)
        for taken, count in zip(card.labels, row, strict=True):
            if taken != truth and count > 0:
                found.append((count / total, truth, taken))
    worst = sorted(found, key=lambda pair: (-pair[0], pair[1:]))[:_PAIRS]
    if worst:
        yield Heading("What it confuses")
        lines = tuple((truth, taken, f"{share:.1%}") for share, truth, taken in worst)
        yield Table(("evokes", "taken for", "of its images"), lines, numeric=1)


def elsewhere(card: ModelCard) -> Iterator[Block]:
    """Give the figures on images of other kinds, beside those of one answer for all."""
    if card.analysis is None or not card.analysis.elsewhere:
        return
    yield Heading("On other pictures")
    yield Paragraph(
        "Evaluated as it is on pictures that it did not learn from, of other collections and "
        "other viewers. Without looking: the same label for every picture (the commonest), or "
        "equal shares."
    )
    for one in card.analysis.elsewhere:
        seen = f"; {one.seen:,} of them it has learnt from" if one.seen else ""
        yield Paragraph(f"{one.data}: {one.images:,} images, {', '.join(one.labels)}{seen}.")
        rows = tuple(
            (
                key,
                f"{metric.value:.3f}" if key == "ece" else figure(metric),
                f"{one.without_looking[key]:.3f}" if key in one.without_looking else "",
                _EXPLAINED.get(key, ""),
            )
            for key, metric in one.figures.items()
        )
        yield Table(("figure", "value [95% interval]", "without looking", "meaning"), rows)


def trust(card: ModelCard) -> Iterator[Block]:
    """Judge probabilities, evidence map and steadiness, as far as they were measured."""
    analysis = card.analysis
    ece = card.metrics.get("ece")
    if analysis is not None and analysis.perfect_calibration is not None and ece is not None:
        band = analysis.perfect_calibration
        place = _place(ece.value, band.ci95)
        yield Heading("Are the probabilities true?")
        yield Paragraph(
            f"Its calibration error is {ece.value:.3f}. A model with these confidences, all of "
            f"them true, would show {band.mean:.3f} [{band.ci95[0]:.3f}, {band.ci95[1]:.3f}] by "
            f"chance: it lies {place}."
        )
    if analysis is not None and analysis.agreement:
        yield from _agreement(analysis.agreement)
    yield from _evidence(card)
    if analysis is not None and analysis.perturbations:
        yield from _perturbations(analysis.perturbations)


def _place(value: float, interval: tuple[float, float]) -> str:
    if value > interval[1]:
        return "above, so the probabilities are not all true"
    if value < interval[0]:
        return "below, as chance seldom has it"
    return "inside, which is no sign of miscalibration"


def _agreement(groups: tuple[AgreementErrors, ...]) -> Iterator[Block]:
    yield Heading("Where viewers disagree")
    rows = tuple((g.agreement, f"{g.images:,}", figure(g.accuracy)) for g in groups)
    yield Table(("viewers", "images", "accuracy [95% interval]"), rows, numeric=2)


def _evidence(card: ModelCard) -> Iterator[Block]:
    if card.evidence_kind is None:
        return
    yield Heading("Evidence map")
    text = f"Kind: {card.evidence_kind}."
    if card.evidence_kind == "additive":
        text += (
            " The spatial mean of an emotion's map plus its bias is exactly that emotion's logit, "
            "so a cell's value is its share in it. Drawn is the contrast: that map less the mean "
            "of all emotions' maps."
        )
    elif card.evidence_kind == "attention":
        text += (
            " One map for all emotions: the weights, of sum 1, that the network gives to places of "
            "the picture. They say where it looks, not what a place adds to an emotion."
        )
    yield Paragraph(text)
    if card.deletion_test is not None:
        yield from _deletion(card.deletion_test)


def _deletion(test: DeletionTest) -> Iterator[Block]:
    yield Paragraph(
        f"Deletion test on {test.images} held-out images: cells are replaced by the mean colour, "
        "the most important first; area under the probability of the top emotion, relative to "
        "the untouched picture. Lower is better."
    )
    rows = (
        ("the map", f"{test.evidence:.3f}", ""),
        ("random", f"{test.random:.3f}", figure(test.evidence_minus_random)),
        ("centre first", f"{test.centre:.3f}", figure(test.evidence_minus_centre)),
    )
    yield Table(("order", "area", "map minus order [95% interval]"), rows, numeric=2)


def _perturbations(found: tuple[Perturbation, ...]) -> Iterator[Block]:
    yield Heading("When pictures change")
    rows = tuple(
        (p.change, figure(p.same_emotion), figure(p.accuracy_change) if p.accuracy_change else "")
        for p in found
    )
    columns = ("change", "same top emotion [95% interval]", "accuracy change [95% interval]")
    yield Table(columns, rows, numeric=2)


def figure(metric: Metric) -> str:
    """Return a figure with its interval."""
    return f"{metric.value:.3f} [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
