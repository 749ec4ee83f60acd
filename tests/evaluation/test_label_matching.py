import numpy as np
import pytest

from evoca.data.manifest.labelled import load_labelled
from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.evaluation.label_matching import match_labels

EIGHT = tuple(str(emotion) for emotion in MIKELS8)
SHARED = ("anger", "disgust", "fear", "sadness")
UNIFORM = np.full((1, 1, 8), 1 / 8)


def data(tmp_path, taxonomy, *emotions, **columns):
    head = ["image", "taxonomy", "emotion", *columns]
    rows = [
        ",".join([f"{i}.jpg", taxonomy, emotion, *(str(values[i]) for values in columns.values())])
        for i, emotion in enumerate(emotions)
    ]
    (tmp_path / "data.csv").write_text("\n".join([",".join(head), *rows]) + "\n")
    return load_labelled(tmp_path / "data.csv", require_files=False)


def test_the_same_labels_in_another_order(tmp_path):
    images = data(tmp_path, "mikels8", "awe", "", "sadness", p_awe=[1, "", 0], p_fear=[0, "", 1])
    found = match_labels(EIGHT[::-1], "mikels8", images)
    assert [found.labels[k] if k >= 0 else "" for k in found.truth] == ["awe", "", "sadness"]
    np.testing.assert_array_equal(found.probabilities(UNIFORM), UNIFORM)
    assert found.distribution[0, found.labels.index("awe")] == 1
    assert np.isnan(found.distribution[1]).all()
    assert found.complete
    assert found.note == ""


@pytest.mark.parametrize("restrict", [False, True])
def test_shared_labels_of_ekmans_six(tmp_path, restrict):
    images = data(tmp_path, "ekman6", "fear", "joy", "", p_fear=[0.5, 0, ""], p_joy=[0.5, 1, ""])
    found = match_labels(EIGHT, "mikels8", images, restrict=restrict)
    assert found.labels == (SHARED if restrict else EIGHT)
    assert [found.labels[k] if k >= 0 else "" for k in found.truth] == ["fear", "", ""]
    given = np.array([[[0.3, 0.1, 0.2, 0, 0.1, 0, 0.2, 0.1]]])
    expected = [[[0.2, 0.2, 0.4, 0.2]]] if restrict else given
    np.testing.assert_allclose(found.probabilities(given), expected)
    if restrict:  # the vote for joy has no place, so fear has all
        np.testing.assert_allclose(found.distribution[0], [0, 0, 1, 0])
        assert np.isnan(found.distribution[1:]).all()
    else:
        assert found.distribution is None
    assert "shared labels anger, disgust, fear, sadness; images labelled joy" in found.note


def test_a_model_of_some_labels_leaves_out_only_what_is_there(tmp_path):
    six = tuple(label for label in EIGHT if label not in {"anger", "fear"})
    found = match_labels(six, "mikels8", data(tmp_path, "mikels8", "awe", "sadness"))
    assert "left out" not in found.note
    assert "may choose" not in found.note
    found = match_labels(six, "mikels8", data(tmp_path, "mikels8", "awe", "fear"))
    assert found.note.endswith("; images labelled fear are left out")


def test_a_restricted_model_that_gives_the_labels_nothing_is_unsure(tmp_path):
    found = match_labels(EIGHT, "mikels8", data(tmp_path, "ekman6", "fear"), restrict=True)
    sure = np.eye(8)[[[0]]]
    np.testing.assert_allclose(found.probabilities(sure), [[[0.25] * 4]])
    inside = found.in_set(sure > 0, found.probabilities(sure))
    assert inside.tolist() == [[[True, False, False, False]]]


@pytest.mark.parametrize("votes", [False, True])
def test_within_one_taxonomy_the_labels_without_an_image_are_masked(tmp_path, votes):
    if votes:
        shares = {"p_awe": [0.5, 1], "p_fear": [0.5, 0]}
        images = data(tmp_path, "mikels8", "", "", **shares)
    else:
        images = data(tmp_path, "mikels8", "awe", "fear", "awe")
    free = match_labels(EIGHT, "mikels8", images)
    assert (free.labels, free.restricted) == (EIGHT, False)
    found = match_labels(EIGHT, "mikels8", images, restrict=True)
    assert (found.labels, found.restricted, found.complete) == (("awe", "fear"), True, True)
    given = np.array([[[0.3, 0.1, 0.2, 0, 0.1, 0, 0.2, 0.1]]])
    np.testing.assert_allclose(found.probabilities(given), [[[0.5, 0.5]]])
    assert "restricted to awe, fear" in found.note


def test_nothing_to_mask_is_no_restriction(tmp_path):
    found = match_labels(EIGHT, "mikels8", data(tmp_path, "mikels8", *EIGHT), restrict=True)
    assert (found.labels, found.restricted) == (EIGHT, False)
    assert "leaves nothing out" in found.note


def test_a_single_label_is_nothing_to_choose_from(tmp_path):
    with pytest.raises(DataError, match="1 of the model's labels have an image here"):
        match_labels(EIGHT, "mikels8", data(tmp_path, "mikels8", "awe", "awe"), restrict=True)


def test_emotions_add_up_to_polarity(tmp_path):
    found = match_labels(EIGHT, "mikels8", data(tmp_path, "polarity", "positive", "negative"))
    given = np.array([[[0.3, 0.1, 0.2, 0, 0.1, 0, 0.2, 0.1]]])
    np.testing.assert_allclose(found.probabilities(given), [[[0.5, 0.5]]])
    assert found.truth.tolist() == [1, 0]
    assert not found.keeps_logits


@pytest.mark.parametrize("taxonomy", ["", "parrott6"])
def test_labels_that_do_not_meet_are_an_error(tmp_path, taxonomy):
    images = data(tmp_path, "mikels8", "awe", "fear")
    with pytest.raises(DataError, match="share fewer than two, and no table brings one"):
        match_labels(("love", "joy"), taxonomy, images)
