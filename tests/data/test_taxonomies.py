from __future__ import annotations

import pytest

from evoca.data.taxonomies import TAXONOMIES, TaxonomyMapping, labels_of, mapping, mappings
from evoca.emotions import MIKELS8, Polarity
from evoca.errors import DataError


@pytest.mark.parametrize("table", mappings(), ids=lambda m: f"{m.source}-{m.target}{m.variant}")
def test_a_mapping_says_what_becomes_of_every_label(table: TaxonomyMapping) -> None:
    assert set(table.table) == set(labels_of(table.source))
    assert {t for t in table.table.values() if t is not None} <= set(labels_of(table.target))
    assert set(table.dropped) == {s for s, t in table.table.items() if t is None}
    assert mapping(table.source, table.target, table.variant) is table


def test_polarity_of_mikels_is_that_of_the_vocabulary() -> None:
    table = mapping("mikels8", "polarity").table
    assert {e: table[e] for e in MIKELS8} == {e: str(e.polarity) for e in MIKELS8}
    assert set(table.values()) == {str(p) for p in Polarity}


def test_labels_are_unique_and_lower_case() -> None:
    for labels in TAXONOMIES.values():
        assert len(set(labels)) == len(labels)
        assert all(label == label.lower().strip() for label in labels)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: labels_of("mikels9"), "mikels8"),
        (lambda: mapping("polarity", "mikels8"), "polarity maps to nothing"),
        (lambda: mapping("ekman6", "mikels8", "joy-as-awe"), "surprise-as-awe"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(call: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()  # type: ignore[operator]
