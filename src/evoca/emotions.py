"""The vocabulary: Mikels' eight emotions, their polarity, and how each is shown.

The eight categories come from Mikels et al. (2005), "Emotional category data on
images from the International Affective Picture System"; the order is the one the
image-emotion papers use (alphabetical). Colours are the Okabe-Ito palette, which
stays distinguishable under the common forms of colour blindness; glyphs carry the
same information where there is no colour. Neither is a face on purpose: the
subject is what an image evokes in viewers, not the expression of anyone in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "DEFAULT_TAXONOMY",
    "MIKELS8",
    "MIKELS_WHEEL",
    "POSITIVE",
    "SUM_TOLERANCE",
    "TAXONOMIES",
    "Emotion",
    "EmotionStyle",
    "Polarity",
    "label_polarity",
    "merged_label",
    "parts_of",
    "polarity_of",
    "style_of",
    "wheel_steps",
]


class Polarity(StrEnum):
    """Whether an emotion counts as positive or negative (Mikels et al. 2005)."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


class Emotion(StrEnum):
    """The eight emotion categories of Mikels et al. (2005).

    >>> Emotion("awe").polarity
    <Polarity.POSITIVE: 'positive'>
    >>> [str(e) for e in Emotion][:3]
    ['amusement', 'anger', 'awe']
    """

    AMUSEMENT = "amusement"
    ANGER = "anger"
    AWE = "awe"
    CONTENTMENT = "contentment"
    DISGUST = "disgust"
    EXCITEMENT = "excitement"
    FEAR = "fear"
    SADNESS = "sadness"

    @property
    def polarity(self) -> Polarity:
        """Positive for amusement, awe, contentment and excitement; else negative."""
        return Polarity.POSITIVE if self in POSITIVE else Polarity.NEGATIVE


MIKELS8: tuple[Emotion, ...] = tuple(Emotion)
"""The eight emotions in the papers' order."""

POSITIVE: frozenset[Emotion] = frozenset(
    {Emotion.AMUSEMENT, Emotion.AWE, Emotion.CONTENTMENT, Emotion.EXCITEMENT}
)
"""The positive half of the eight (Mikels et al. 2005)."""

SUM_TOLERANCE = 0.01
"""How far a stated distribution may sum from 1: room for cells rounded to 3 digits."""

DEFAULT_TAXONOMY = "mikels8"
"""Name of the taxonomy where none is given."""

TAXONOMIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # Mikels et al. (2005): the papers' eight, in their order.
        "mikels8": tuple(str(emotion) for emotion in MIKELS8),
        # Ekman (1992); Emotion6 and EmotionROI (Peng et al. 2015, 2016) use these six.
        "ekman6": ("anger", "disgust", "fear", "joy", "sadness", "surprise"),
        # Emotion6's distributions add neutral (Peng et al. 2015).
        "ekman7": ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"),
        # Plutchik (1980): the primary emotions.
        "plutchik8": (
            "anger",
            "anticipation",
            "disgust",
            "fear",
            "joy",
            "sadness",
            "surprise",
            "trust",
        ),
        # Parrott (2001), level 2, as WEBEmo uses it (Panda et al. 2018).
        "parrott6": ("anger", "fear", "joy", "love", "sadness", "surprise"),
        "polarity": ("negative", "positive"),
    }
)
"""Name of a taxonomy to its labels, in order."""

MIKELS_WHEEL: tuple[Emotion, ...] = (
    Emotion.AMUSEMENT,
    Emotion.CONTENTMENT,
    Emotion.AWE,
    Emotion.EXCITEMENT,
    Emotion.FEAR,
    Emotion.SADNESS,
    Emotion.DISGUST,
    Emotion.ANGER,
)
"""The eight around Mikels' wheel; the last stands next to the first.

The wheel is the figure of Zhao et al. (2016), "Predicting Personalized Emotion
Perceptions of Social Images", ACM Multimedia, which draws the two polarities as two
halves that meet at excitement and fear and at anger and amusement.
"""


@dataclass(frozen=True)
class EmotionStyle:
    """How an emotion is drawn everywhere: terminal, pictures, pages.

    Attributes:
        colour: ``#RRGGBB``, from the Okabe-Ito colour-blind-safe palette.
        glyph: one character, a plain shape of terminal width 1.
        ascii: the stand-in where the output cannot carry the glyph.
    """

    colour: str
    glyph: str
    ascii: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three integers 0..255."""
        code = self.colour.lstrip("#")
        return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


_STYLES: dict[Emotion, EmotionStyle] = {
    Emotion.AMUSEMENT: EmotionStyle("#F0E442", "✦", "*"),
    Emotion.ANGER: EmotionStyle("#D55E00", "▲", "^"),
    Emotion.AWE: EmotionStyle("#56B4E9", "★", "+"),
    Emotion.CONTENTMENT: EmotionStyle("#009E73", "●", "o"),
    Emotion.DISGUST: EmotionStyle("#999999", "✖", "x"),
    Emotion.EXCITEMENT: EmotionStyle("#E69F00", "◆", "!"),
    Emotion.FEAR: EmotionStyle("#CC79A7", "▼", "v"),
    Emotion.SADNESS: EmotionStyle("#0072B2", "■", "="),
}
_OTHER = EmotionStyle("#BBBBBB", "○", "-")


def style_of(label: str) -> EmotionStyle:
    """Return the fixed colour and glyph of a label.

    Labels outside the eight emotions share one neutral style; of emotions that are one
    class, it is the first one's.

    >>> style_of("awe").glyph
    '★'
    >>> style_of("surprise").colour
    '#BBBBBB'
    """
    try:
        return _STYLES[Emotion(parts_of(label)[0])]
    except ValueError:
        return _OTHER


_MERGED = "+"


def merged_label(labels: Sequence[str]) -> str:
    """Return the name of labels that are one class.

    >>> merged_label(["anger", "fear"])
    'anger+fear'
    """
    return _MERGED.join(labels)


def parts_of(label: str) -> tuple[str, ...]:
    """Return the labels that a class consists of.

    >>> parts_of("anger+fear"), parts_of("awe")
    (('anger', 'fear'), ('awe',))
    """
    return tuple(label.split(_MERGED))


def label_polarity(label: str) -> Polarity | None:
    """Return the polarity that all of a label's emotions have.

    ``None`` where they differ, or are not all of the eight.

    >>> label_polarity("anger+fear"), label_polarity("awe+fear")
    (<Polarity.NEGATIVE: 'negative'>, None)
    """
    try:
        found = {Emotion(part).polarity for part in parts_of(label)}
    except ValueError:
        return None
    return found.pop() if len(found) == 1 else None


def polarity_of(probabilities: dict[str, float]) -> tuple[Polarity, float] | None:
    """Return the polarity of a distribution, its probabilities summed.

    Args:
        probabilities: label to probability; the probabilities sum to 1.

    Returns:
        The polarity that holds at least half of the probability, and the summed
        probability of the positive emotions (0..1); ``None`` where a label has no
        polarity, see :func:`label_polarity`. The label follows the
        sum, so it can differ from the polarity of the single most likely emotion.

    >>> polarity_of({"awe": 0.4, "fear": 0.35, "sadness": 0.25})
    (<Polarity.NEGATIVE: 'negative'>, 0.4)
    """
    polarity = {label: label_polarity(label) for label in probabilities}
    if None in polarity.values():
        return None
    positive = float(
        sum(p for label, p in probabilities.items() if polarity[label] is Polarity.POSITIVE)
    )
    # Half is half in whichever order it was added up.
    return (Polarity.POSITIVE if positive >= 0.5 - 1e-9 else Polarity.NEGATIVE), positive


def wheel_steps(first: str, second: str) -> int:
    """Return the number of steps from one emotion to another around Mikels' wheel.

    Zhao et al. (2016) define the distance of two emotions as 1 + this number.

    Args:
        first: one of the eight emotions.
        second: one of the eight emotions.

    Returns:
        0 (the same) to 4 (opposite).

    Raises:
        ValueError: one of them is not one of the eight.

    >>> wheel_steps("amusement", "anger"), wheel_steps("awe", "disgust")
    (1, 4)
    """
    apart = abs(MIKELS_WHEEL.index(Emotion(first)) - MIKELS_WHEEL.index(Emotion(second)))
    return min(apart, len(MIKELS_WHEEL) - apart)
