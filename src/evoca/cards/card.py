"""The sections of the model card, as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evoca.documents import Block, Bullets, Heading, Paragraph, Table, to_markdown
from evoca.papers import load_papers, paper_of_system
from evoca.runtime.card import (
    AgreementErrors,
    DeletionTest,
    Metric,
    ModelCard,
    Perturbation,
    SourceScores,
)
from evoca.words import counted

__all__ = [
    "by_source",
    "card_document",
    "citing",
    "confusions",
    "data",
    "elsewhere",
    "figure",
    "figures",
    "limits",
    "render_card",
    "technical",
    "terms",
    "trust",
    "use",
]

_WEAKEST = 3


def use(card: ModelCard) -> Iterator[Block]:
    """Yield the section on what the model is for, and what it is not for."""
    yield Heading("What it is for")
    yield Paragraph(
        "It estimates which emotion a photograph evokes in people who look at it, as a "
        f"distribution over {len(card.labels)} emotions: for research on evoked emotion, for "
        "describing and searching collections, and as a baseline."
    )
    yield Heading("What it is not for")
    yield Paragraph(
        "It does not read the emotion of anyone in the picture, nor of any one viewer: evoked is "
        "not felt. Do not use it to infer a person's state, to diagnose, to decide about anyone, "
        "or to steer people without their knowledge."
    )


def limits(card: ModelCard) -> Iterator[Block]:
    """Yield the section on the model's limits, from its own figures."""
    items = [
        "Several emotions are often right for one picture. The prediction set "
        f"(built to hold the label of {card.set_coverage:.0%} of images) says so; the top emotion "
        "alone does not.",
        "Pictures unlike the photographs it learnt from (drawings, screenshots, documents) get a "
        "prediction too, and it may mean nothing.",
        _elsewhere(card),
    ]
    if weakest := _weakest(card):
        items.insert(0, f"Least often found: {weakest}.")
    yield Heading("Limits")
    yield Bullets(tuple(items))


def _elsewhere(card: ModelCard) -> str:
    if card.analysis is not None and card.analysis.elsewhere:
        state = 'see "On other pictures"'
    elif card.analysis is not None and card.analysis.left_out:
        state = 'of photographs that nobody taught, see "left out" under "By source"'
    else:
        state = "nothing was measured on others"
    return (
        "Its figures, its probabilities and the coverage of its sets are of pictures and viewers "
        "like those it learnt from; on paintings, in another collection or with other viewers "
        f"they can be far worse ({state}). Measure it on labelled pictures of your own: evoca "
        "evaluate BUNDLE --data MANIFEST."
    )


def _weakest(card: ModelCard) -> str:
    recall = {label: f["recall"] for label, f in card.per_emotion.items() if "recall" in f}
    lowest = sorted(recall, key=lambda label: recall[label])[:_WEAKEST]
    return ", ".join(f"{label} (recall {recall[label]:.3f})" for label in lowest)


def data(card: ModelCard) -> Iterator[Block]:
    """Yield the section on the training data and its viewers."""
    origin = card.provenance
    yield Heading("Data and viewers")
    yield Paragraph(f"{origin.data}.")
    if origin.fingerprint is not None:
        yield Paragraph(
            f"Fingerprint {origin.fingerprint}: SHA-256 of names, labels and contents, the same "
            "wherever the same images lie."
        )
    yield Paragraph(
        "Labels of such sets come from a few paid online workers per image (FI: Amazon Mechanical "
        "Turk), who were asked whether it evokes an emotion. The model carries their culture and "
        "their disagreements, and is no better than their majority."
    )
    if card.training_frequencies is not None:
        yield Paragraph(_frequencies(card, card.training_frequencies))
    yield Paragraph(
        "The first 16 digits of the SHA-256 of each training image are kept in model.json "
        f"({len(card.training_images):,} of them), so that an evaluation can find images "
        "that were learnt from."
    )
    if card.training_perceptual_hashes:
        yield Paragraph(
            f"So are {len(card.training_perceptual_hashes):,} perceptual hashes of what they look "
            "like, by which copies that were saved again, resized or slightly cropped are known."
        )


def _frequencies(card: ModelCard, trained: Mapping[str, float]) -> str:
    """Return which class frequencies the model learnt from, and for which it predicts."""
    learnt = f"It learnt from these class frequencies: {_shares(trained)}."
    if card.prior is None:
        return f"{learnt} Its predictions are for the same."
    source = f", {card.prior.source}" if card.prior.source else ""
    return (
        f"{learnt} Its predictions are for others ({card.prior.name}{source}): "
        f"{_shares(card.prior.frequencies)}. The figures above are measured under those it learnt "
        "from; --prior changes what it predicts for."
    )


def _shares(frequencies: Mapping[str, float]) -> str:
    if len({round(share, 3) for share in frequencies.values()}) == 1:
        return f"{next(iter(frequencies.values())):.1%} each"
    return ", ".join(f"{label} {share:.1%}" for label, share in frequencies.items())


def technical(card: ModelCard) -> Iterator[Block]:
    """Yield the section on recipe, input and labels."""
    size, origin = card.preprocessing, card.provenance
    profile = f" under the profile {origin.profile}" if origin.profile else ""
    yield Heading("Technical")
    yield Bullets(
        (
            f"Recipe: {origin.recipe}{profile}; backbone: {', '.join(origin.backbones) or 'none'}",
            f"Input: {size.width} x {size.height} pixels, {size.resize}, {size.filter}; JPEGs "
            f"decoded at no less than {size.jpeg_min_scale:g} times that size",
            f"Temperature {card.temperature:.4f}; prediction sets: p >= {card.set_threshold:.4f} "
            f"for {card.set_coverage:.0%} coverage",
            *_head(card),
            *_affect(card),
            *_quantised(card),
            *_exact_outputs(card),
            f"Labels: {', '.join(card.labels)} ({card.taxonomy})",
            f"Made by Evoca {origin.evoca_version}, bundle format {card.format_version}",
        )
    )


def _quantised(card: ModelCard) -> Iterator[str]:
    found = card.quantisation
    if found is None:
        return
    seen = f", {found.seen:,} of which the model had learnt from" if found.seen else ""
    yield (
        f"Computes in int8: ranges by {found.method} of {found.calibration_images:,} images "
        f"({found.calibration}). On {found.images:,} others{seen}, the top emotion is that of "
        f"float32 for {figure(found.same_emotion)}, and the negative log-likelihood changes by "
        f"{figure(found.nll_change)}; all other figures here are those of float32"
    )


def _exact_outputs(card: ModelCard) -> Iterator[str]:
    if card.conformance is not None:
        yield (
            "Exact outputs for drawn pictures are in conformance.json: evoca models verify holds "
            "engines to them"
        )


def _head(card: ModelCard) -> Iterator[str]:
    if card.c is not None:
        yield f"C of the fitted head: {card.c:g}, chosen by images it was not fitted on"


def _affect(card: ModelCard) -> Iterator[str]:
    if card.affect_range is None:
        return
    low, high = card.affect_range
    text = f"Valence and arousal: {low:g} to {high:g}"
    if (errors := card.affect_intervals) is not None:
        text += (
            f", each with an interval of {errors.valence:.2f} and {errors.arousal:.2f} points to "
            f"either side, built to hold the mean rating for {errors.coverage:.0%} of images"
        )
    yield text


def terms(card: ModelCard) -> Iterator[Block]:
    """Yield the section on the licences of code and weights."""
    yield Heading("Terms")
    yield Bullets((f"Code: {card.licence.code}", f"Weights: {card.licence.weights}"))


def citing(card: ModelCard) -> Iterator[Block]:
    """Yield the section on what to cite: the software, the system's paper, the data."""
    items = [
        f"Evoca {card.provenance.evoca_version} (CITATION.cff), and this model by its name, "
        f"{card.name}, and SHA-256, {card.sha256[:16]}",
        "the data set it learnt from, named above",
    ]
    origin = card.provenance
    # A bundle may come from elsewhere: its key may be unknown here.
    known = load_papers().get(origin.paper) if origin.paper is not None else None
    paper = known or paper_of_system(origin.recipe)
    if paper is not None:
        items.insert(1, f"the paper of the system: {paper.cited()}")
    yield Heading("How to cite")
    yield Bullets(tuple(items))


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
    """Yield the section with the main figures, and those of every emotion."""
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
    """Return a figure with its interval; a calibration error with the band by chance.

    The bootstrap draws of a calibration error show where that of other images would lie, not
    where the true one lies. So it is compared with the error by chance alone.
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
    """Yield the pairs that are confused most, as shares of the first emotion's images."""
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
    """Yield the figures on images of other kinds, beside those of a constant prediction."""
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
        yield Paragraph(
            f"{one.data}: {counted(one.images, 'image')}, {', '.join(one.labels)}{seen}."
        )
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


_OF_SOURCE = {
    "accuracy": "the likeliest, of the groups told apart, is what most viewers named",
    "nll": "cross-entropy of what viewers named, nats (lower is better)",
    "polarity_accuracy": "positive or negative is right",
    "valence_r_of_positive": "correlation of P(positive) with rated valence",
    "valence_r": "correlation of predicted with rated valence",
    "arousal_r": "correlation of predicted with rated arousal",
    "valence_mae": "mean absolute error of valence, points of the scale",
    "arousal_mae": "mean absolute error of arousal, points of the scale",
    "valence_coverage": "rated valence lies in its interval",
    "arousal_coverage": "rated arousal lies in its interval",
}


_SAME = 1e-9


def by_source(card: ModelCard) -> Iterator[Block]:
    """Yield the figures of each source it learnt from: held out, and left out whole."""
    analysis = card.analysis
    if analysis is None or not analysis.by_source:
        return
    yield Heading("By source")
    yield Paragraph(
        "It learnt from several sources, each with its own vocabulary. Held out: an image is "
        "predicted by a model that has not seen it, taught by the rest of all sources. Left out: "
        "by a model that nobody of its source taught, as for pictures from elsewhere."
    )
    left = {own.source: own for own in analysis.left_out}
    for own in analysis.by_source:
        apart = "; ".join(group.replace("+", " or ") for group in own.groups)
        yield Paragraph(f"{own.source}: {counted(own.images, 'image')}. Told apart: {apart}.")
        columns = ["figure", "held out [95% interval]"]
        columns += ["left out [95% interval]"] if own.source in left else []
        rows = []
        for key, measured in own.figures.items():
            metric = _as_reported(card, own, key, measured)
            row = [key, figure(metric)]
            if own.source in left:
                other = left[own.source].figures.get(key)
                comparable = left[own.source].groups == own.groups or key not in {"accuracy", "nll"}
                row.append(figure(other) if other is not None and comparable else "")
            blind = own.without_looking.get(key)
            row += ["" if blind is None else f"{blind:.3f}", _OF_SOURCE.get(key, "")]
            rows.append(tuple(row))
        yield Table((*columns, "without looking", "meaning"), tuple(rows))
        if own.source in left and left[own.source].groups != own.groups:
            yield from _coarser(left[own.source])


def _as_reported(card: ModelCard, own: SourceScores, key: str, measured: Metric) -> Metric:
    """Return the model's own figure where it is the same one, so that it has one interval.

    A card of an earlier version may hold a second interval of other draws.
    """
    reported = card.metrics.get(key)
    if reported is None or own.groups != card.labels:
        return measured
    return reported if abs(reported.value - measured.value) < _SAME else measured


def _coarser(own: SourceScores) -> Iterator[Block]:
    """Yield the figures of a left-out source that are of coarser groups."""
    apart = "; ".join(group.replace("+", " or ") for group in own.groups)
    found = ", ".join(
        f"{key} {figure(own.figures[key])}" for key in ("accuracy", "nll") if key in own.figures
    )
    yield Paragraph(f"Left out, its emotions can only be told apart so: {apart}: {found}.")


def trust(card: ModelCard) -> Iterator[Block]:
    """Yield the sections on calibration, evidence map and robustness, where measured."""
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


_SECTIONS = (
    use,
    limits,
    data,
    figures,
    by_source,
    elsewhere,
    confusions,
    trust,
    technical,
    terms,
    citing,
)


def card_document(card: ModelCard) -> Iterator[Block]:
    """Return the card as a document; what model.json lacks is left out."""
    yield Heading(card.name, level=1)
    yield Paragraph(card.summary)
    for section in _SECTIONS:
        yield from section(card)


def render_card(card: ModelCard) -> str:
    """Return the card as Markdown."""
    return to_markdown(card_document(card))
