"""``evoca relate``: held against SciPy, and against worlds in which the relation is known."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection_samples import LABELS, write_tags
from evoca.collection.relate import relate
from evoca.collection.tags import read_tags
from evoca.errors import DataError


def write_results(file: Path, rows: list[dict[str, object]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def outcomes(values: np.ndarray, **others: object) -> list[dict[str, object]]:
    columns = {name: list(cells) for name, cells in others.items()}  # type: ignore[call-overload]
    return [
        {"path": f"a/{i}.jpg", "ctr": value} | {name: cells[i] for name, cells in columns.items()}
        for i, value in enumerate(values)
    ]


def test_values_are_scipys(tmp_path) -> None:
    stats = pytest.importorskip("scipy.stats")
    shares = write_tags(tmp_path / "tags.csv", 150)
    random = np.random.default_rng(1)
    ctr = (shares[:, 2] + random.normal(size=150)).round(1)  # with ties
    file = write_results(tmp_path / "results.csv", outcomes(ctr))
    found = relate(read_tags([tmp_path / "tags.csv"]), file, "ctr", draws=2000)
    for i, one in enumerate(found.emotions):
        wanted = stats.spearmanr(shares[:, i], ctr)
        assert one.name == LABELS[i]
        assert one.overall.value == pytest.approx(wanted.statistic)
        assert one.p == pytest.approx(wanted.pvalue, abs=0.035)
        # The usual large-sample interval (Fieller, Hartley and Pearson 1957).
        middle, half = math.atanh(wanted.statistic), 1.96 * math.sqrt(1.06 / 147)
        ends = math.tanh(middle - half), math.tanh(middle + half)
        assert one.overall.ci95 == pytest.approx(ends, abs=0.05)
    raw = [one.p for one in found.emotions]
    corrected = [one.p_holm for one in found.emotions]
    assert min(corrected) == pytest.approx(min(1.0, 8 * min(raw)))
    assert [one.name for one in found.measures] == ["polarity", "valence", "arousal"]
    assert all(one.p_holm is None for one in found.measures)


def test_groups_that_differ_hide_a_relation_within(tmp_path) -> None:
    """In each campaign awe helps; campaigns with much awe do badly (Simpson's paradox)."""
    random = np.random.default_rng(2)
    group = np.repeat(np.arange(20), 10)
    shares = write_tags(tmp_path / "tags.csv", 200)
    level = np.array([shares[group == g, 2].mean() for g in group])
    ctr = shares[:, 2] - 12 * level + 0.05 * random.normal(size=200)
    rows = outcomes(ctr, campaign=[f"c{g}" for g in group])
    file = write_results(tmp_path / "results.csv", rows)
    found = relate(read_tags([tmp_path / "tags.csv"]), file, "ctr", group="campaign", draws=500)
    awe = found.emotions[2]
    assert found.groups == 20
    assert awe.within is not None
    assert awe.within.ci95[0] > 0.6
    assert awe.overall.value < awe.within.value - 0.3
    assert awe.p == pytest.approx(1 / 501)


def test_a_level_of_groups_is_no_evidence(tmp_path) -> None:
    """Ten groups, each with one outcome: shuffled within groups, nothing is left to test."""
    group = np.repeat(np.arange(10), 20)
    write_tags(tmp_path / "tags.csv", 200)
    rows = outcomes(group.astype(float), campaign=[f"c{g}" for g in group])
    file = write_results(tmp_path / "results.csv", rows)
    found = relate(read_tags([tmp_path / "tags.csv"]), file, "ctr", group="campaign", draws=200)
    assert all(math.isnan(one.p) and math.isnan(one.within.value) for one in found.emotions)
    assert all(one.p_holm == 1.0 for one in found.emotions)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_confounder_takes_out_what_it_explains(tmp_path) -> None:
    random = np.random.default_rng(3)
    shares = write_tags(tmp_path / "tags.csv", 400)
    spend = shares[:, 2] + 0.05 * random.normal(size=400)
    ctr = spend + 0.05 * random.normal(size=400)
    file = write_results(tmp_path / "results.csv", outcomes(ctr, spend=spend))
    tags = read_tags([tmp_path / "tags.csv"])
    found = relate(tags, file, "ctr", confounders=["spend"], draws=300)
    awe = found.emotions[2]
    assert awe.overall.value > 0.7
    assert awe.partial is not None
    assert abs(awe.partial.value) < 0.2
    assert [one.name for one in found.confounders] == ["spend"]
    assert found.confounders[0].partial is None


def test_brightness_and_the_command(evoca, tmp_path) -> None:
    rows = 24
    write_tags(tmp_path / "tags.csv", rows)
    (tmp_path / "a").mkdir()
    for i in range(rows - 1):
        Image.new("L", (40, 40), 10 * i).save(tmp_path / "a" / f"{i}.jpg")
    file = write_results(tmp_path / "results.csv", outcomes(np.arange(rows, dtype=float)))
    given = ("relate", "tags.csv", "--outcome", file, "--column", "ctr", "--draws", 200)
    status, out, err = evoca(*given, "--confounders", "brightness", "--format", "json")
    assert status == 1
    assert "1 image could not be read for confounders, and is left out" in err
    found = json.loads(out)
    assert (found["n"], found["joined"]["unread"]) == (23, 1)
    assert found["confounders"][0]["spearman"]["value"] == pytest.approx(1.0)
    # What brightness says whole leaves nothing to correlate.
    assert found["emotions"][0]["partial"]["value"] is None
    status, out, _ = evoca(*given)
    assert status == 0
    assert "ctr of 24 images" in out
    assert [line.split()[0] for line in out.splitlines()[2:13]] == [
        *(*LABELS, "polarity", "valence", "arousal"),
    ]
    assert "Brightness, faces and text in the images may be behind it" in out
    assert "A correlation is not a cause" in out


def test_rows_are_joined_by_path_and_then_by_an_unambiguous_name(tmp_path) -> None:
    paths = [
        *(f"a/{i}.jpg" for i in range(30)),
        "b/same.jpg",
        "c/same.jpg",
        "d/one.jpg",
        "e/two.jpg",
    ]
    write_tags(tmp_path / "tags.csv", 34, path=paths)
    values = np.random.default_rng(0).random(40)
    named = [*(f"a/{i}.jpg" for i in range(20)), "elsewhere/25.jpg", "elsewhere/26.jpg"]
    named += ["x/same.jpg", "x/one.jpg", "y/one.jpg", "none.jpg", "e/two.jpg"]
    rows = [{"path": name, "ctr": value} for name, value in zip(named, values, strict=False)]
    rows[0]["ctr"] = ""
    file = write_results(tmp_path / "results.csv", rows)
    found = relate(read_tags([tmp_path / "tags.csv"]), file, "ctr", draws=100)
    assert found.rows == 22
    assert found.joined == {
        "by_path": 20,  # 19 of a/, and e/two.jpg
        "by_name": 2,
        "without_prediction": 4,  # same.jpg, one.jpg twice, none.jpg
        "without_outcome": 11,
        "empty": 1,
        "unread": 0,
    }


def test_what_cannot_be_related_is_refused(tmp_path) -> None:
    write_tags(tmp_path / "tags.csv", 40)
    tags = read_tags([tmp_path / "tags.csv"])
    values = np.arange(40, dtype=float)

    def refused(rows: list[dict[str, object]], column: str = "ctr", **options: object) -> str:
        file = write_results(tmp_path / "results.csv", rows)
        with pytest.raises(DataError) as raised:
            relate(tags, file, column, draws=100, **options)  # type: ignore[arg-type]
        assert "\n" not in str(raised.value)
        return str(raised.value)

    assert "19 images have a prediction and a number in ctr, and at least 20" in refused(
        outcomes(values[:19])
    )
    assert "no column 'ctrr'; did you mean ctr?" in refused(outcomes(values), "ctrr")
    assert "ctr is 3 in every row" in refused(outcomes(np.full(40, 3.0)))
    assert "a/0.jpg is there 2 times" in refused([*outcomes(values), *outcomes(values[:1])])
    few = outcomes(values, team=["a", "b"] * 20)
    assert "team has 2 groups, and an interval over groups needs at least 5" in refused(
        few, group="team"
    )
    own = outcomes(values, team=range(40))
    assert "team differs in every row: leave --group out" in refused(own, group="team")
    assert "no column 'temm'; did you mean team?" in refused(own, group="temm")
    assert "row 2: team is 'a', not a finite number" in refused(few, confounders=["team"])
    rows = [{"file": "a/1.jpg", "ctr": 1}]
    assert "no column 'image'" in refused(rows)


def test_the_command_says_usage_and_data_errors_in_a_line(evoca, tmp_path) -> None:
    write_tags(tmp_path / "tags.csv", 30)
    file = write_results(tmp_path / "results.csv", outcomes(np.arange(30.0)))
    status, out, err = evoca("relate", "tags.csv", "--outcome", file, "--column", "cttr")
    assert (status, out) == (1, "")
    assert err == f"evoca: {file}: no column 'cttr'; did you mean ctr?\n"
    assert evoca("relate", "tags.csv", "--outcome", file)[0] == 2
