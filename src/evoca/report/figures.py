"""The name of each figure on the page, and its meaning in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evoca.metrics import Figure

__all__ = ["FIGURES", "Named", "figure_name"]


@dataclass(frozen=True)
class Named:
    """A figure in words.

    Attributes:
        title: short, for a table.
        meaning: one sentence for a reader from another field.
        share: whether it is a share 0..1, shown in percent.
        low_is_good: whether less is better.
    """

    title: str
    meaning: str
    share: bool = True
    low_is_good: bool = False

    def text(self, value: float) -> str:
        """Return a value as the page prints it.

        >>> Named("Accuracy", "").text(0.5583), Named("NLL", "", share=False).text(1.26)
        ('55.8%', '1.260')
        """
        if value != value:  # NaN: not defined
            return "–"
        return f"{value:.1%}" if self.share else f"{value:.3f}"

    def interval(self, figure: Figure) -> str:
        """Return an interval as the page prints it; for a calibration error the band by chance."""
        low, high = figure.chance_band or figure.ci95
        text = f"{self.text(low)} to {self.text(high)}"
        return f"by chance {text}" if figure.chance_band else text


FIGURES: Mapping[str, Named] = {
    "accuracy": Named("Accuracy", "Share of images whose most likely emotion is the true one."),
    "balanced_accuracy": Named(
        "Balanced accuracy",
        "The same for each emotion, averaged: rare emotions count as much as common ones.",
    ),
    "macro_f1": Named("Macro F1", "Mean over emotions of the balance of precision and recall."),
    "weighted_f1": Named("Weighted F1", "The same, each emotion weighted by its images."),
    "polarity_accuracy": Named(
        "Polarity accuracy", "Share of images placed on the right side of pleasant and unpleasant."
    ),
    "top2_accuracy": Named("Top-2 accuracy", "The true emotion is among the two most likely."),
    "top3_accuracy": Named("Top-3 accuracy", "The true emotion is among the three most likely."),
    "set_coverage": Named("Set coverage", "Share of images whose prediction set holds the truth."),
    "ecc": Named("ECC", "Accuracy with partial credit for errors to neighbours on Mikels' wheel."),
    "emc": Named(
        "EMC", "Nearness of the errors alone: 1 where each is to a neighbour on its side."
    ),
    "ece": Named(
        "Calibration error",
        "Mean gap between stated confidence and share right, ten bins of equal size.",
        low_is_good=True,
    ),
    "ece_equal_width": Named(
        "Calibration error, equal width", "The same with bins of equal width.", low_is_good=True
    ),
    "nll": Named(
        "NLL", "Mean surprise at the true emotion, in nats.", share=False, low_is_good=True
    ),
    "brier": Named(
        "Brier score",
        "Squared error of the whole distribution, 0 to 2.",
        share=False,
        low_is_good=True,
    ),
    "set_size": Named("Set size", "Emotions in a prediction set.", share=False, low_is_good=True),
    "wheel_distance": Named(
        "Wheel distance",
        "Mean steps around Mikels' wheel from truth to prediction, 0 to 4.",
        share=False,
        low_is_good=True,
    ),
    **{
        name: Named(title, meaning, share=False, low_is_good=low)
        for name, title, meaning, low in (
            ("kl", "KL divergence", "From the viewers' distribution to the predicted one.", True),
            ("chebyshev", "Chebyshev distance", "Largest gap of any emotion.", True),
            ("clark", "Clark distance", "Relative gaps, squared.", True),
            ("canberra", "Canberra distance", "Relative gaps.", True),
            ("cosine", "Cosine", "Similarity of the two distributions, at most 1.", False),
            ("intersection", "Intersection", "Overlap of the two distributions, 0 to 1.", False),
            (
                "random_rater",
                "Random viewer",
                "Share of viewers who named the predicted one.",
                False,
            ),
            ("ccc", "CCC", "Concordance of valence and arousal with the ratings.", False),
            ("pearson", "Pearson", "Correlation with the ratings.", False),
            ("mae", "MAE", "Mean absolute error on the rating scale.", True),
        )
    },
}
"""Every figure of the page, in the order in which they are shown."""


def figure_name(name: str) -> Named:
    """Return a figure in words; an unknown one is named by its key.

    >>> figure_name("new_thing").title
    'new thing'
    """
    return FIGURES.get(name) or Named(name.replace("_", " "), "", share=False)
