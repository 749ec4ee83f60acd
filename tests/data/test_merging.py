"""Emotions that are one class: what becomes of labels, votes and agreement."""

import numpy as np
import pytest

from evoca.data.manifest.labelled import load_labelled
from evoca.data.merging import merge_labels, merged_like
from evoca.emotions import Polarity, label_polarity, polarity_of, style_of
from evoca.errors import DataError

MERGED = ("amusement", "anger+fear", "awe", "contentment", "disgust", "excitement", "sadness")


def table(tmp_path, header, *rows):
    file = tmp_path / "data.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return load_labelled(file, require_files=False)


def names(images):
    return ["" if code < 0 else images.labels[code] for code in images.truth]


def test_labels_become_the_class_that_holds_them_whatever_their_order(tmp_path):
    images = table(tmp_path, "image,emotion", "a.jpg,anger", "b.jpg,fear", "c.jpg,awe", "d.jpg,")
    found = merge_labels(images, [["fear", "anger"]])
    assert found.labels == MERGED
    assert names(found) == ["anger+fear", "anger+fear", "awe", ""]
    assert (found.taxonomy, found.names) == (images.taxonomy, images.names)
    assert merge_labels(found, [["anger", "fear"]]) is found
    assert merged_like(images, MERGED).labels == MERGED
    assert merged_like(images, images.labels) is images


def test_votes_are_added_up_and_decide_anew(tmp_path):
    images = table(
        tmp_path,
        "image,votes_awe,votes_anger,votes_fear",
        "a.jpg,4,3,3",  # awe by plurality; anger and fear win together
        "b.jpg,0,2,2",  # a tie that is none any more
        "c.jpg,2,1,1",  # and one that comes about
        "d.jpg,,,",
    )
    assert names(images) == ["awe", "", "awe", ""]
    found = merge_labels(images, [["anger", "fear"]])
    assert names(found) == ["anger+fear", "anger+fear", "", ""]
    np.testing.assert_allclose(found.distribution[:3, 1], [0.6, 1, 0.5])
    np.testing.assert_allclose(found.distribution[:3].sum(axis=1), 1)
    np.testing.assert_allclose(found.agreement, [0.6, 1, np.nan, np.nan])


def test_a_label_that_votes_did_not_decide_stays(tmp_path):
    header = "image,emotion,votes_awe,votes_anger,votes_fear"
    images = table(tmp_path, header, "a.jpg,sadness,4,3,3", "b.jpg,,4,3,3", "c.jpg,fear,0,4,3")
    assert names(merge_labels(images, [["anger", "fear"]])) == ["sadness", "", "anger+fear"]


def test_agreement_with_one_emotion_stays_what_it_was(tmp_path):
    header = "image,emotion,votes_anger,disagree_anger"
    images = table(tmp_path, header, "a.jpg,anger,3,1")
    found = merge_labels(images, [["anger", "fear"]])
    assert found.distribution is None
    np.testing.assert_allclose(found.agreement, [0.75])


def test_what_cannot_be_merged_is_one_line(tmp_path):
    images = table(tmp_path, "image,emotion", "a.jpg,awe")
    with pytest.raises(DataError, match=r"merge: no label joy; its labels are amusement"):
        merge_labels(images, [["anger", "joy"]])
    with pytest.raises(DataError, match="one class is left"):
        merge_labels(images, [list(images.labels)])


def test_a_class_of_one_polarity_has_it():
    assert label_polarity("anger+fear") is Polarity.NEGATIVE
    assert label_polarity("awe+fear") is None
    assert label_polarity("joy+fear") is None
    assert polarity_of({"anger+fear": 0.75, "awe": 0.25}) == (Polarity.NEGATIVE, 0.25)
    assert polarity_of({"awe+fear": 0.75, "awe": 0.25}) is None
    assert style_of("anger+fear") == style_of("anger")
