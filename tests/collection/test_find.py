"""``evoca find``: from tables that ``evoca predict`` wrote to paths, tables, sheets and pages."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection_samples import LABELS, write_tags
from evoca.collection.search import find, most_divided, most_similar
from evoca.collection.tags import read_tags
from evoca.metrics.functional import intersection

TABLES = ("tags.parquet", "tags.csv", "tags.jsonl")


def rows_of(photos: Path) -> list[dict[str, str]]:
    with (photos / "tags.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if not row["error"]]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("text", "true"),
    [
        (
            "awe > 0.05 and fear < 0.02",
            lambda r: float(r["p_awe"]) > 0.05 and float(r["p_fear"]) < 0.02,
        ),
        ("emotion = 'contentment'", lambda r: r["emotion"] == "contentment"),
        ("not emotion in ('contentment')", lambda r: r["emotion"] != "contentment"),
        ("prediction_set contains 'awe'", lambda r: "awe" in json.loads(r["prediction_set"])),
        ("path contains 'CHI'", lambda r: "chi" in r["path"]),
        ("0.5 < confidence <= 0.8", lambda r: 0.5 < float(r["confidence"]) <= 0.8),
        ("valence > 5 or arousal > 5", lambda r: max(float(r["valence"]), float(r["arousal"])) > 5),
        ("awe > 2", lambda r: False),
        ("", lambda r: True),
    ],
)
def test_it_finds_what_the_expression_says(evoca, photos, table, text, true) -> None:
    status, out, err = evoca("find", text, table)
    wanted = [row["path"] for row in rows_of(photos) if true(row)]
    assert (status, out.splitlines()) == (0, wanted)
    assert ("none of" in err) == (not wanted)


def test_errors_are_found_only_where_they_are_meant(evoca, photos) -> None:
    for table in TABLES:
        assert evoca("find", "error contains 'jpeg'", table)[1] == "photos/broken.jpg\n"
        assert "broken" not in evoca("find", "warnings = ''", table)[1]


@pytest.mark.parametrize("table", TABLES)
def test_orders(evoca, photos, table) -> None:
    rows = rows_of(photos)

    def entropy(row: dict[str, str]) -> float:
        return -sum(p * math.log(p) for p in (float(row[f"p_{one}"]) for one in LABELS))

    for arguments, key in (
        (("--most", "awe"), lambda row: float(row["p_awe"])),
        (("--most", "polarity"), lambda row: float(row["polarity_positive"])),
        (("--most", "arousal"), lambda row: float(row["arousal"])),
        (("--divided",), entropy),
    ):
        wanted = [row["path"] for row in sorted(rows, key=key, reverse=True)][:3]
        status, out, _ = evoca("find", table, *arguments, "--limit", 3)
        assert (status, out.splitlines()) == (0, wanted)


def test_entropy_and_shared_probability_are_those_of_the_metrics(tmp_path) -> None:
    shares = write_tags(tmp_path / "tags.csv", 50)
    tags = read_tags([tmp_path / "tags.csv"])
    wanted = dict(zip(LABELS, shares[7], strict=True))
    found = {row["path"]: row for row in find(tags, order=most_similar(wanted))}
    expected = intersection(np.tile(shares[7], (50, 1)), shares)
    assert [found[f"a/{i}.jpg"]["similarity"] for i in range(50)] == pytest.approx(expected)
    assert next(iter(found)) == "a/7.jpg"
    divided = {row["path"]: row["entropy"] for row in find(tags, order=most_divided(tags))}
    expected = -(shares * np.log(shares)).sum(axis=1)
    assert [divided[f"a/{i}.jpg"] for i in range(50)] == pytest.approx(expected)


def test_like_an_image_of_the_table_and_one_that_is_new(evoca, photos) -> None:
    status, first, err = evoca("find", "tags.csv", "--like", "photos/china.jpg", "--format", "json")
    assert status == 0, err
    rows = json.loads(first)
    assert len(rows) == 5
    assert "photos/china.jpg" not in [row["path"] for row in rows]
    assert rows == sorted(rows, key=lambda row: -row["similarity"])
    # The same picture under another name and with other bytes is predicted, and compared.
    with Image.open(photos / "photos" / "china.jpg") as picture:
        picture.save(photos / "new.png")
    status, out, err = evoca("find", "tags.csv", "--like", "new.png", "--format", "json")
    assert status == 0, err
    again = json.loads(out)
    assert again[0]["path"] == "photos/china.jpg"
    assert again[0]["similarity"] > 0.97
    shutil.copy(photos / "photos" / "china.jpg", photos / "copy.jpg")
    assert evoca("find", "tags.csv", "--like", "copy.jpg", "--format", "json")[1] == first


def test_like_a_new_image_needs_the_model_and_the_prior_of_the_table(evoca, photos) -> None:
    Image.new("RGB", (64, 64), "red").save(photos / "red.png")
    table = photos / "tags.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(",evoca-default", ",other-default"), encoding="utf-8")
    status, _, err = evoca("find", "tags.csv", "--like", "red.png")
    assert status == 1
    assert "tags.csv is by the model other-default" in err
    assert "name that one with --model" in err
    table.write_text(text.replace(",natural,", ",mine.json,"), encoding="utf-8")
    status, _, err = evoca("find", "tags.csv", "--like", "red.png")
    assert status == 1
    assert "whose prior mine.json is of a file" in err
    status, _, err = evoca("find", "tags.parquet", "--like", "gone.jpg")
    assert (status, err) == (1, "evoca: gone.jpg: no such file\n")


def test_formats(evoca, photos) -> None:
    text = "emotion = 'contentment'"
    paths = evoca("find", text, "tags.parquet")[1].splitlines()
    assert evoca("find", text, "tags.parquet", "--print0")[1] == "".join(f"{p}\0" for p in paths)
    listed = list(
        csv.DictReader(io.StringIO(evoca("find", text, "tags.csv", "--format", "csv")[1]))
    )
    assert listed == [row for row in rows_of(photos) if row["emotion"] == "contentment"]
    items = json.loads(evoca("find", text, "tags.csv", "--format", "json")[1])
    assert [item["path"] for item in items] == paths
    assert items[0]["prediction_set"][0] == "contentment"
    status, out, _ = evoca("find", text, "tags.jsonl", "--format", "table")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["image", *paths]
    assert json.loads(evoca("find", "awe > 2", "tags.csv", "--format", "json")[1]) == []


def test_a_name_with_a_line_break_survives_print0(evoca, photos) -> None:
    shutil.copy(photos / "photos" / "china.jpg", photos / "two\nlines.jpg")
    assert evoca("predict", "two\nlines.jpg", "--out", "odd.csv")[0] == 0
    assert evoca("find", "odd.csv", "--print0")[1] == "two\nlines.jpg\0"


def test_several_tables_and_folders_of_them(evoca, photos) -> None:
    (photos / "parts").mkdir()
    for name in ("tags.parquet", "tags.jsonl"):
        shutil.copy(photos / name, photos / "parts")
    own = evoca("find", "awe > 0.05", "tags.csv")[1].splitlines()
    assert evoca("find", "awe > 0.05", "tags.csv", "tags.parquet")[1].splitlines() == own * 2
    assert evoca("find", "awe > 0.05", "parts")[1].splitlines() == own * 2
    assert evoca("find", "parts", "--most", "awe")[0] == 0


def test_other_columns_may_be_named(evoca, tmp_path) -> None:
    write_tags(tmp_path / "tags.csv", 3)
    lines = (tmp_path / "tags.csv").read_text(encoding="utf-8").splitlines()
    more = ["click rate,team", "1.5,a", "2.5,b", "3.5,a"]
    text = "\n".join(f"{line},{cells}" for line, cells in zip(lines, more, strict=True))
    (tmp_path / "more.csv").write_text(text, encoding="utf-8")
    assert evoca("find", "[click rate] > 2 and team = 'a'", "more.csv")[1] == "a/2.jpg\n"


def test_predictions_of_several_models_are_pointed_out(evoca, tmp_path) -> None:
    write_tags(tmp_path / "tags.csv", 2, model=["one", "two"])
    status, _, err = evoca("find", "awe > 0.5", "tags.csv")
    assert status == 0
    assert "predictions of several kinds: one with the prior natural; two with" in err


def test_a_table_that_others_changed_is_shown_as_far_as_it_goes(evoca, tmp_path) -> None:
    odd = {"confidence": ["nan", "inf", "7"], "prediction_set": ["[", "", '["awe"]']}
    write_tags(tmp_path / "tags.csv", 3, **odd)
    status, out, err = evoca("find", "tags.csv", "--format", "json")
    assert status == 0, err
    assert [item.get("confidence") for item in json.loads(out)] == [None, None, 7.0]
    assert [item.get("prediction_set") for item in json.loads(out)] == ["[", None, ["awe"]]
    assert evoca("find", "tags.csv", "--sheet", "sheet.png")[0] == 1  # no image is there
    status, _, err = evoca("find", "tags.csv", "--format", "table")
    assert (status, err) == (1, "evoca: a/0.jpg: its prediction_set is no JSON list of labels\n")


def test_a_contact_sheet(evoca, photos) -> None:
    for name, kind in (("sheet.jpg", "JPEG"), ("sheet.png", "PNG")):
        status, out, err = evoca("find", "tags.parquet", "--most", "awe", "--sheet", name)
        assert (status, out) == (0, "")
        assert f"evoca: {name}: 6 images, " in err
        with Image.open(photos / name) as sheet:
            assert (sheet.format, sheet.size) == (kind, (6 * 170 + 10, 218))
            cells = [
                np.asarray(sheet.convert("RGB"))[30:130, 10 + 170 * i : 170 + 170 * i]
                for i in range(6)
            ]
        assert min(float(cell.std()) for cell in cells) > 20
    (photos / "photos" / "china.jpg").unlink()
    status, _, err = evoca("find", "tags.parquet", "--sheet", "sheet.png")
    assert status == 1
    assert "6 images, " in err
    assert "1 could not be read" in err


def test_a_page(evoca, photos) -> None:
    status, out, err = evoca("find", "awe < 0.5", "tags.csv", "--divided", "--html", "page.html")
    assert (status, out) == (0, "")
    assert "evoca: page.html: 6 images, " in err
    page = (photos / "page.html").read_text(encoding="utf-8")
    assert "Found by awe &lt; 0.5, the most divided first." in page
    wanted = evoca("find", "awe < 0.5", "tags.csv", "--divided")[1].splitlines()
    assert f'"names":{json.dumps(wanted, separators=(",", ":"))}' in page


def test_paths_of_a_table_elsewhere_start_from_it(evoca, photos) -> None:
    shutil.copytree(photos, photos / "moved", ignore=shutil.ignore_patterns("moved"))
    shutil.rmtree(photos / "photos")
    status, _, err = evoca("find", "moved/tags.csv", "--sheet", "sheet.png")
    assert status == 0, err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["aww > 0.5", "tags.csv"],
            "Invalid value for EXPRESSION: 'aww > 0.5', at character 1: no column",
        ),
        (["awe > 0.5"], "name the table after the expression: evoca find EXPRESSION TAGS"),
        (["tags.csv", "--most", "aww"], "'aww': one of amusement"),
        (
            ["tags.csv", "--most", "awe", "--divided"],
            "one order at a time, not --most and --divided",
        ),
        (["tags.csv", "--by", "look"], "--by look is for --like, which names an image"),
        (["tags.csv", "--like", "x.jpg", "--by", "look"], "--by look needs --embeddings FILE"),
        (["tags.csv", "--embeddings", "x.npy"], "--embeddings is for --like IMAGE --by look"),
        (["tags.csv", "--print0", "--format", "csv"], "--print0 ends paths"),
        (["tags.csv", "--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_usage_errors_have_status_2(evoca, photos, arguments, said) -> None:
    status, out, err = evoca("find", *arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["awe > 1", "gone.parquet"], "gone.parquet: no such file"),
        (["awe > 1", "photos"], "photos: no .parquet, .csv, .jsonl in this folder"),
        (["awe > 1", "photos/china.jpg"], "china.jpg: tables of predictions end in .parquet"),
        (["awe > 1", "other.csv"], "other.csv: no columns path and p_<emotion>"),
        (["awe > 1", "cut.parquet"], "cut.parquet: "),
        (["awe > 1", "bad.csv"], "bad.csv: "),
        (
            ["awe > 1", "few.csv", "tags.parquet"],
            "tables of different emotions cannot be read as one",
        ),
        (["tags.csv", "--sheet", "sheet.pdf"], "--sheet sheet.pdf: name a file that ends in .jpg"),
        (["tags.csv", "--html", "page.pdf"], "--html page.pdf: name a file that ends in .html"),
        (["tags.csv", "--html", "no/page.html"], "there is no such folder to write into"),
    ],
)
def test_bad_input_is_one_line_and_status_1(evoca, photos, arguments, said) -> None:
    (photos / "other.csv").write_text("path,ctr\na.jpg,1\n")
    (photos / "few.csv").write_text("path,p_awe,p_fear\na.jpg,1,0\n")
    (photos / "bad.csv").write_text("path,p_awe,p_fear\na.jpg,much,0\n")
    (photos / "cut.parquet").write_bytes((photos / "tags.parquet").read_bytes()[:500])
    status, out, err = evoca("find", *arguments)
    assert (status, out) == (1, "")
    assert said in err
    assert err.startswith("evoca: ")
    assert err.count("\n") == 1
