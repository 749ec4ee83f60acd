from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.data.conftest import MakeImage
from typer.testing import CliRunner

from evoca.commands.data.app import app
from evoca.data.manifest.table import read_manifest
from evoca.data.relabel import label_by, rule_table
from evoca.data.stats import measure_sizes, stats
from evoca.errors import DataError

TABLE = """image,emotion,votes_awe,votes_fear,split,valence,group
a.jpg,awe,4,0,train,6,g
b.jpg,awe,3,1,train,4,g
c.jpg,fear,1,3,test,2,h
d.jpg,,2,2,,,
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text(TABLE)
    return path


def test_the_figures_of_a_small_set(table: Path) -> None:
    found = stats(read_manifest(table))
    assert (found.images, found.unlabelled, found.tied, found.groups) == (4, 1, 1, 1)
    assert (found.counts["awe"], found.counts["fear"], found.counts["anger"]) == (2, 1, 0)
    assert found.imbalance == 2.0
    assert {s: sum(n.values()) for s, n in found.by_split.items()} == {"train": 2, "test": 1, "": 0}
    assert found.entropy_bits is not None
    quarter = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert found.entropy_bits.mean == pytest.approx((0 + quarter + quarter + 1) / 4)
    assert found.agreement is not None
    assert found.agreement.modal_share == pytest.approx((1 + 0.75 + 0.75 + 0.5) / 4)
    assert found.valence is not None
    assert (found.valence.n, found.valence.median) == (3, 4.0)
    assert found.width is None
    assert found.to_dict()["agreement"]["images"] == 4


def test_agrees_with_one_emotion_each_are_no_panel(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,emotion,votes_awe,disagree_awe\na,awe,4,1\n")
    found = stats(read_manifest(tmp_path / "m.csv"))
    assert found.agreement is None
    assert found.tied is None
    assert found.entropy_bits is None
    assert found.approval is not None
    assert (found.approval.images, found.approval.viewers, found.approval.agree) == (1, 5.0, 0.8)


def test_the_ceiling_of_yes_and_no_counts_those_who_were_asked_about_the_label(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.csv").write_text(
        "image,emotion,votes_awe,disagree_awe,votes_fear,disagree_fear\n"
        "a,awe,3,1,5,0\nb,fear,,,4,0\nc,awe,,,2,2\nd,,5,0,,\n"
    )
    found = stats(read_manifest(tmp_path / "m.csv")).approval
    assert found is not None
    assert (found.images, found.viewers) == (2, 4.0)
    assert (found.agree, found.unanimous) == ((0.75 + 1) / 2, 0.5)


def test_sizes_are_read_from_the_images(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("no image")
    (tmp_path / "m.csv").write_text("image,emotion\na.jpg,awe\nb.jpg,awe\n")
    found = stats(measure_sizes(read_manifest(tmp_path / "m.csv")))
    assert found.width is not None
    assert found.height is not None
    assert (found.width.n, found.width.median, found.height.median) == (1, 32.0, 24.0)


def test_what_each_rule_keeps(table: Path) -> None:
    found = rule_table(read_manifest(table))
    assert list(found) == ["plurality", "majority", "well", "noisy", "unanimous"]
    assert {rule: (c.kept, c.labelled, c.tied) for rule, c in found.items()} == {
        "plurality": (4, 3, 1),
        "majority": (3, 3, 0),
        "well": (3, 3, 0),
        "noisy": (1, 0, 1),
        "unanimous": (1, 1, 0),
    }
    assert found["majority"].by_emotion["awe"] == 2


def test_rules_on_disagrees_are_listed_only_where_they_apply(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,votes_awe,disagree_awe\na,3,2\nb,2,3\n")
    manifest = read_manifest(path)
    assert {r: c.labelled for r, c in rule_table(manifest).items() if r.startswith("agree")} == {
        "agree": 1,
        "agree-well": 1,
        "agree-noisy": 1,
    }
    noisy = label_by(manifest, "agree-noisy").manifest
    assert list(noisy.rows("image", "emotion", "votes_awe")) == [("b", "awe", 2)]


def test_labelling_keeps_votes_and_drops_what_the_rule_leaves_out(table: Path) -> None:
    manifest = read_manifest(table)
    made = label_by(manifest, "unanimous")
    assert list(made.manifest.rows("image", "emotion", "votes_awe")) == [("a.jpg", "awe", 4)]
    whole = label_by(manifest, "unanimous", keep_all=True)
    assert whole.manifest.texts("emotion").tolist() == ["awe", "", "", ""]
    assert whole.manifest.texts("image").tolist() == manifest.texts("image").tolist()


VOTES = """image,annotator,emotion
a.jpg,w1,awe
a.jpg,w2,awe
b.jpg,w1,fear
b.jpg,w2,fear
b.jpg,w3,awe
"""


def test_labels_from_votes_by_annotator(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,source\na.jpg,x\nb.jpg,x\nunseen.jpg,x\n")
    (tmp_path / "votes.csv").write_text(VOTES)
    manifest = read_manifest(tmp_path / "m.csv")
    made = label_by(manifest, "dawid-skene", annotations=tmp_path / "votes.csv")
    assert list(made.manifest.rows("image", "emotion", "votes_awe", "votes_fear")) == [
        ("a.jpg", "awe", 2, 0),
        ("b.jpg", "fear", 1, 2),
    ]
    shares = sum(made.manifest.numbers(f"p_{label}") for label in manifest.labels)
    assert shares == pytest.approx([1.0, 1.0])


def test_what_annotators_and_manifest_do_not_share_is_counted(tmp_path: Path) -> None:
    data, votes, out = (str(tmp_path / name) for name in ("m.csv", "votes.csv", "out.csv"))
    Path(data).write_text("image,source\nb.jpg,x\nunseen.jpg,x\nunseen2.jpg,x\n")
    Path(votes).write_text(VOTES)
    made = label_by(read_manifest(Path(data)), "dawid-skene", annotations=Path(votes))
    assert (made.unseen, made.unmatched) == (2, 1)
    rule = ["--rule", "dawid-skene", "--votes", votes, "--out", out]
    done = CliRunner().invoke(app, ["votes", data, *rule])
    assert done.exit_code == 0
    assert f"images of {data} that no annotator has seen: 2 (no label)\n" in done.stdout
    assert f"images of {votes} that are not in {data}: 1 (left out)\n" in done.stdout


def test_labels_from_annotators_and_a_classifier(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    (tmp_path / "m.csv").write_text("image,source\na.jpg,x\nb.jpg,x\n")
    (tmp_path / "votes.csv").write_text(VOTES)
    manifest = read_manifest(tmp_path / "m.csv")
    columns = ",".join(f"p_{label}" for label in manifest.labels)
    rows = {"b.jpg": "fear", "a.jpg": "awe"}
    shares = {
        name: ",".join("0.72" if label == own else "0.04" for label in manifest.labels)
        for name, own in rows.items()
    }
    predictions = tmp_path / "p.csv"
    predictions.write_text(f"image,{columns}\n" + "\n".join(f"{n},{s}" for n, s in shares.items()))
    votes = tmp_path / "votes.csv"
    made = label_by(manifest, "crowdlab", annotations=votes, predictions=predictions)
    assert made.manifest.texts("emotion").tolist() == ["awe", "fear"]
    predictions.write_text(f"image,{columns}\na.jpg,{shares['a.jpg']}\n")
    with pytest.raises(DataError, match=r"p\.csv: no prediction for 1 image, first b\.jpg"):
        label_by(manifest, "crowdlab", annotations=votes, predictions=predictions)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("most", "no vote rule 'most'; the rules are plurality"),
        ("plurality", r"no votes \(columns votes_<emotion>\)"),
        ("dawid-skene", "needs votes by annotator"),
    ],
)
def test_what_a_rule_lacks_is_said(tmp_path: Path, rule: str, says: str) -> None:
    (tmp_path / "m.csv").write_text("image,emotion\na,awe\n")
    with pytest.raises(DataError, match=says):
        label_by(read_manifest(tmp_path / "m.csv"), rule)
