"""Several sources as one set: vocabularies as sums, scales of ratings, polarity of valence."""

from pathlib import Path

import numpy as np
import pytest

from evoca.data.manifest.labelled import load_labelled
from evoca.data.sources import join_sources, on_scale
from evoca.data.taxonomies import TAXONOMIES, labels_of, membership
from evoca.data.teaching import fit_polarity, shares_with_polarity, source_offsets
from evoca.emotions import MIKELS8
from evoca.errors import DataError

POSITIVE = ("amusement", "awe", "contentment", "excitement")


def write(folder: Path, name: str, header: str, rows: list[str]):
    file = folder / f"{name}.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return load_labelled(file, require_files=False)


@pytest.fixture
def labelled(tmp_path):
    rows = [f"{emotion}{i}.jpg,{emotion}" for emotion in MIKELS8 for i in range(2)]
    return write(tmp_path, "labels", "image,emotion", rows)


def basic(folder, rows, name="six", taxonomy="ekman7", extra=""):
    columns = ",".join(f"p_{label}" for label in labels_of(taxonomy))
    tail = f",{taxonomy}"
    return write(folder, name, f"image,{columns}{extra},taxonomy", [row + tail for row in rows])


def rated(folder, values, name="rated", sd="", source=""):
    header = "image,valence,arousal" + (",valence_sd" if sd else "") + ",source"
    rows = [f"r{i}.jpg,{v},{3}{f',{sd}' if sd else ''},{source}" for i, v in enumerate(values)]
    return write(folder, name, header, rows)


@pytest.mark.parametrize("source", TAXONOMIES)
def test_a_membership_names_every_label_and_no_emotion_belongs_to_two_sets(source):
    found = membership(source, "mikels8")
    assert set(found.table) == set(labels_of(source))
    sets = {own for own in found.table.values() if own}
    members = [label for own in sets for label in own]
    assert len(members) == len(set(members))
    assert set(members) <= set(labels_of("mikels8"))
    matrix = found.matrix()
    for row, label in zip(matrix, labels_of(source), strict=True):
        assert {labels_of("mikels8")[i] for i in np.flatnonzero(row)} == set(found.table[label])


def test_joy_teaches_the_sum_and_what_says_nothing_is_left_out(tmp_path, labelled):
    # anger, disgust, fear, joy, sadness, surprise, neutral
    six = basic(tmp_path, ["a.jpg,0.1,0,0,0.5,0,0.3,0.1", "b.jpg,0,0,0,0,0,1,0"])
    joined = join_sources([labelled, six])
    teaching = joined.teaching
    names = ["+".join(joined.labels[i] for i in column) for column in teaching.columns]
    assert names == [*joined.labels, "+".join(POSITIVE)]
    first, second = teaching.shares[16:]
    assert dict(zip(names, first, strict=True)) == pytest.approx(
        dict.fromkeys(names, 0.0) | {"anger": 0.1, "+".join(POSITIVE): 0.5}
    )
    assert second.sum() == 0
    assert (joined.truth[16:] == -1).all()
    assert (joined.truth[:16] >= 0).all()
    assert joined.names[16] == "six/a.jpg"


def test_the_fingerprint_knows_what_an_image_teaches(tmp_path, labelled):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(b"x")
    for row in labelled.names:
        (tmp_path / row).write_bytes(b"y")
    one = basic(tmp_path / "a", ["a.jpg,0.5,0,0,0.5,0,0,0"])
    other = basic(tmp_path / "b", ["a.jpg,0.4,0,0,0.6,0,0,0"])
    found = [join_sources([labelled, six]).fingerprint() for six in (one, other)]
    assert found[0] != found[1]
    again = join_sources([labelled, one])
    assert again.in_order().fingerprint() == found[0]


def test_two_scales_are_brought_to_one(tmp_path, labelled):
    seven = rated(tmp_path, [1, 4, 7], "seven", source="oasis")
    nine = rated(tmp_path, [1, 5, 9], "nine", source="emotion6")
    joined = join_sources([labelled, seven, nine])
    assert joined.affect[16:, 0].tolist() == [1, 5, 9, 1, 5, 9]
    assert joined.teaching.scale == (1, 9)
    assert joined.teaching.sources == ("labels", "oasis", "emotion6")


def test_a_scale_that_is_not_known_is_asked_for(tmp_path, labelled):
    ratings = rated(tmp_path, [1, 4, 7])
    with pytest.raises(DataError, match=r"rated: has ratings .* --set sources\.scales\.rated="):
        join_sources([labelled, ratings])
    joined = join_sources([labelled, ratings], scales={"rated": (1, 7)})
    assert joined.affect[16:, 0].tolist() == [1, 5, 9]
    with pytest.raises(DataError, match="rated: 1 ratings are outside 1 to 6"):
        join_sources([labelled, ratings], scales={"rated": (1, 6)})
    with pytest.raises(DataError, match="no source is called other"):
        join_sources([labelled, ratings], scales={"other": (1, 6), "rated": (1, 7)})


def test_polarity_of_valence_is_fitted_where_both_are_known(tmp_path, labelled):
    rng = np.random.default_rng(0)
    valence = rng.uniform(1, 9, 400)
    joy = 1 / (1 + np.exp(-(valence - 4) * 1.5))
    rows = [
        f"e{i}.jpg,{(1 - j) * 0.8},0,0,{j * 0.8},0,0.2,0,{v},5"
        for i, (j, v) in enumerate(zip(joy, valence, strict=True))
    ]
    both = basic(tmp_path, rows, extra=",valence,arousal")
    only = rated(tmp_path, [1, 4, 7], source="oasis")
    joined = join_sources([labelled, both, only], scales={"six": (1, 9)})
    curve = fit_polarity(joined)
    assert curve.images == 400
    expected = 1 / (1 + np.exp(-(np.array([1, 4, 6.0]) - 4) * 1.5))
    assert curve(np.array([1, 4, 6.0])) == pytest.approx(expected, abs=0.01)
    shares = shares_with_polarity(joined, curve)
    unpleasant, pleasant = joined.teaching.polarity
    taught = shares[416:]
    assert taught[:, pleasant] == pytest.approx(curve(joined.affect[416:, 0]))
    assert taught.sum(axis=1) == pytest.approx(1)
    assert taught[:, :8].sum() == 0  # no emotion is made of a rating
    assert taught[0, unpleasant] > 0.9


def test_without_such_images_the_share_of_raters_above_the_middle_counts(tmp_path, labelled):
    spread = rated(tmp_path, [4, 6], "spread", sd="2", source="oasis")
    joined = join_sources([labelled, spread])
    assert fit_polarity(joined) is None
    taught = shares_with_polarity(joined, None)[16:]
    assert taught[:, joined.teaching.polarity[1]] == pytest.approx([0.5, 0.8413], abs=1e-3)
    unspread = rated(tmp_path, [4, 6], "unspread", source="oasis")
    silent = join_sources([labelled, unspread])
    assert shares_with_polarity(silent, None)[16:].sum() == 0


def test_offsets_are_the_log_frequencies_beyond_those_of_the_first_source(tmp_path, labelled):
    six = basic(tmp_path, ["a.jpg,1,0,0,0,0,0,0"] * 6 + ["b.jpg,0,0,0,1,0,0,0"] * 4)
    joined = join_sources([labelled, six])
    teaching = joined.teaching
    offsets = source_offsets(teaching.shares, teaching.of, teaching.matrix())
    assert offsets[0] == pytest.approx(0)
    ratio = np.exp(offsets[1] - offsets[1][joined.labels.index("amusement")])
    # Six of anger against four of joy, which is four emotions.
    assert ratio[joined.labels.index("anger")] == pytest.approx(6)
    assert ratio[joined.labels.index("awe")] == pytest.approx(1)


def test_a_first_source_without_emotions_is_refused(tmp_path, labelled):
    with pytest.raises(DataError, match="labels of the first source are what is learnt"):
        join_sources([rated(tmp_path, [1, 2], source="oasis"), labelled])


def test_a_source_whose_labels_map_to_nothing_is_refused(tmp_path, labelled):
    surprised = basic(tmp_path, ["a.jpg,0,0,0,0,0,1,0", "b.jpg,0,0,0,0,0,0,1"])
    with pytest.raises(DataError, match="six: none of its images says anything about"):
        join_sources([labelled, surprised])
    unknown = write(tmp_path, "sides", "image,emotion,taxonomy", ["a.jpg,positive,polarity"])
    assert join_sources([labelled, unknown]).teaching.shares[16].sum() == 1
    first = write(tmp_path, "p", "image,emotion,taxonomy", ["a.jpg,joy,parrott6"])
    with pytest.raises(DataError, match="no mapping from mikels8 to parrott6"):
        join_sources([first, labelled])


def test_ratings_of_a_known_reader_are_brought_to_a_models_scale(tmp_path):
    seven = rated(tmp_path, [1, 4, 7], "seven", source="oasis")
    assert on_scale(seven, (1, 9)).affect[:, 0].tolist() == [1, 5, 9]
    unknown = rated(tmp_path, [1, 4, 7])
    assert on_scale(unknown, (1, 9)) is unknown
