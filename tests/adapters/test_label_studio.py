"""Predictions go to Label Studio, and the votes of people come back."""

import csv
import json
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from evoca.cli import app
from evoca.emotions import MIKELS8

pytest.importorskip("duckdb", reason="needs the extra data")


def evoca(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory, examples):
    """A folder with photographs, their table, and what was converted from it."""
    place = tmp_path_factory.mktemp("studio")
    (place / "photos" / "a b").mkdir(parents=True)
    for name in ("china", "rocket", "coffee", "flower"):
        (place / "photos" / "a b" / f"{name} é.jpg").symlink_to(examples / f"{name}.jpg")
    (place / "photos" / "bad.jpg").write_bytes(b"no picture")
    assert evoca("predict", place / "photos", "--out", place / "tags.csv").exit_code == 1
    return place


@pytest.fixture(scope="module")
def tasks(place):
    done = evoca(
        *("convert", place / "tags.csv", "--to", "label-studio"),
        *("--images", place / "photos", "--out", place / "tasks"),
    )
    assert done.exit_code == 0, done.stderr
    assert "4 images, 1 without a prediction left out" in done.stderr
    return json.loads((place / "tasks" / "tasks-001.json").read_text(encoding="utf-8"))


def test_tasks_show_the_picture_with_the_prediction(place, tasks):
    with (place / "tags.csv").open(newline="", encoding="utf-8") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert [task["data"]["path"] for task in tasks] == [
        f"a b/{name} é.jpg" for name in ("china", "coffee", "flower", "rocket")
    ]
    for task in tasks:
        row = rows[Path(task["data"]["path"]).name]
        encoded = task["data"]["path"].replace(" ", "%20").replace("é", "%C3%A9")
        assert task["data"]["image"] == f"/data/local-files/?d={encoded}"
        assert task["data"]["p_awe"] == float(row["p_awe"])
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == f"{row['model']}, prior natural"
        assert prediction["score"] == float(row["confidence"])
        (result,) = prediction["result"]
        assert result["value"] == {"choices": [row["emotion"]]}


def test_the_configuration_has_what_results_name(place, tasks):
    view = ET.parse(place / "tasks" / "label_config.xml").getroot()
    choices, image = view.find("Choices"), view.find("Image")
    (result,) = tasks[0]["predictions"][0]["result"]
    assert (choices.get("name"), choices.get("toName")) == (result["from_name"], result["to_name"])
    assert image.get("name") == result["to_name"]
    assert image.get("value").removeprefix("$") in tasks[0]["data"]
    assert [one.get("value") for one in choices] == [str(one) for one in MIKELS8]


_numbers = count(1)


def annotation(who, *choices, day=1, skipped=False, control="emotion"):
    """An annotation with the keys that Label Studio 1.20 exports."""
    number = next(_numbers)
    result = [
        {
            "value": {"choices": list(choices)},
            "id": f"r{number}",
            "from_name": control,
            "to_name": "picture",
            "type": "choices",
            "origin": "manual",
        }
    ]
    return {
        "id": number,
        "completed_by": who,
        "result": result if choices else [],
        "was_cancelled": skipped,
        "ground_truth": False,
        "created_at": f"2026-03-0{day}T10:00:00.000000Z",
        "updated_at": f"2026-03-0{day}T10:00:00.000000Z",
        "draft_created_at": None,
        "lead_time": 3.2,
        "result_count": len(choices),
    }


def exported(tasks, annotations):
    """Tasks as they are exported, with annotations by the name of the picture."""
    return [
        {
            "id": number,
            "annotations": annotations.get(Path(task["data"]["path"]).name.split()[0], []),
            "drafts": [],
            "predictions": [1],
            "data": task["data"],
            "meta": {},
            "inner_id": number,
            "project": 1,
        }
        for number, task in enumerate(tasks, start=1)
    ]


def built(place, content, *options):
    """Build a manifest of an export; return its rows, the votes by annotator, what was said."""
    source, out = place / "export.json", place / "voted.csv"
    source.write_text(json.dumps(content), encoding="utf-8")
    votes = place / "voted.votes.csv"
    votes.unlink(missing_ok=True)
    done = evoca("data", "build", "label_studio", source, "--out", out, *options)
    assert done.exit_code == 0, done.output
    with out.open(newline="", encoding="utf-8") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    single = votes.read_text(encoding="utf-8").splitlines()[1:] if votes.exists() else []
    return rows, single, done.stderr


def test_votes_come_back(place, tasks):
    who = {"id": 7, "email": "seven@example.org", "first_name": "", "last_name": ""}
    content = exported(
        tasks,
        {
            "china": [
                annotation(1, "awe"),
                annotation(2, "awe"),
                annotation(who, "fear"),
                annotation(4, skipped=True),
                annotation(5),
            ],
            "rocket": [annotation(1, "fear", day=2), annotation(1, "awe", day=1)],
            "coffee": [annotation(1, "awe", "contentment"), annotation(2, "contentment")],
        },
    )
    rows, votes, said = built(place, content, "--images", place / "photos")
    china, rocket, coffee = (
        rows[f"photos/a b/{name} é.jpg"] for name in ("china", "rocket", "coffee")
    )
    assert len(rows) == 3
    assert (china["emotion"], china["votes_awe"], china["votes_fear"]) == ("awe", "2", "1")
    assert float(china["p_awe"]) == pytest.approx(2 / 3)
    assert (rocket["emotion"], rocket["votes_fear"], rocket["votes_awe"]) == ("fear", "1", "0")
    assert (coffee["votes_contentment"], coffee["votes_awe"]) == ("2", "1")
    assert votes == [
        "photos/a b/china é.jpg,1,awe",
        "photos/a b/china é.jpg,2,awe",
        "photos/a b/china é.jpg,7,fear",
        "photos/a b/coffee é.jpg,2,contentment",
        "photos/a b/rocket é.jpg,1,fear",
    ]
    for reason in (
        "1 (annotations that were skipped",
        "1 (annotations without a choice",
        "1 (earlier annotations by the same annotator",
        "1 (annotations with several emotions",
        "1 (tasks without an annotation",
    ):
        assert reason in said
    options = ("--rule", "dawid-skene", "--votes", place / "voted.votes.csv")
    done = evoca("data", "votes", place / "voted.csv", *options, "--out", place / "labels.csv")
    assert done.exit_code == 0, done.output
    assert "3 images, 3 labelled by dawid-skene" in done.stdout


def test_votes_come_back_from_json_min(place):
    """As label-studio-sdk 2.1.2 converts an export: nothing of what was skipped is in it."""
    common = {"created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:00:00Z"}
    image = {"image": "/data/local-files/?d=a%20b/china%20%C3%A9.jpg", "id": 1, "p_awe": 0.3}
    both = [{"choices": ["awe", "contentment"]}]
    content = [
        image | common | {"emotion": "fear", "annotator": "a@example.org", "annotation_id": 3},
        image | common | {"emotion": both, "annotator": 2, "annotation_id": 2},
        image | common | {"annotator": 1, "annotation_id": 1},
    ]
    rows, votes, said = built(place, content, "--images", place / "photos")
    (row,) = rows.values()
    counts = (row["votes_fear"], row["votes_awe"], row["votes_contentment"])
    assert counts == ("1", "1", "1")
    assert votes == ["photos/a b/china é.jpg,a@example.org,fear"]
    assert "1 (annotations without a choice" in said


@pytest.mark.parametrize(
    ("address", "image", "url"),
    [
        ("/data/local-files/?d=set/x%20y.jpg", "set/x y.jpg", ""),
        ("http://localhost:8080/data/local-files/?d=set/x.jpg", "set/x.jpg", ""),
        ("/data/upload/3/0a1b2c3d-x.jpg", "upload/3/0a1b2c3d-x.jpg", ""),
        ("https://example.org/set/x.jpg?s=1", "images/x.jpg", "https://example.org/set/x.jpg?s=1"),
        ("s3://bucket/set/x.jpg", "set/x.jpg", ""),
    ],
)
def test_pictures_of_others_tasks_are_found(tmp_path, address, image, url):
    content = [{"id": 1, "data": {"pic": address}, "annotations": [annotation(1, "Joy")]}]
    rows, votes, _ = built(tmp_path, content, "--column", "pic=image", "--label", "Joy=amusement")
    assert list(rows) == [image]
    assert rows[image].get("url", "") == url
    assert votes == [f"{image},1,amusement"]


def test_other_names_are_said(tmp_path):
    task = {"data": {"pic": "a.jpg"}, "annotations": [annotation(1, "awe")]}
    mixed = annotation(1, "awe", control="mood")
    mixed["result"] += annotation(1, "red", control="colour")["result"]
    cases = {
        "no image in its data, which has pic": [task],
        "choices of mood, colour": [{"data": {"image": "a.jpg"}, "annotations": [mixed]}],
        "not a list of tasks": {"tasks": []},
    }
    for message, content in cases.items():
        (tmp_path / "x.json").write_text(json.dumps(content))
        done = evoca(
            "data", "build", "label_studio", tmp_path / "x.json", "--out", tmp_path / "x.csv"
        )
        assert done.exit_code == 1
        assert message in done.stderr
        assert not (tmp_path / "x.csv").exists()
    content = [{"data": {"image": "a.jpg"}, "annotations": [mixed, annotation(2, "Unsure")]}]
    _, votes, said = built(tmp_path, content, "--column", "mood=emotion")
    assert votes == ["a.jpg,1,awe"]
    assert "annotations without a choice" in said


def test_what_label_studio_could_not_show_is_refused(place, tmp_path):
    arguments = ("convert", place / "tags.csv", "--to", "label-studio", "--out", tmp_path / "x")
    done = evoca(*arguments, "--images", tmp_path)
    assert done.exit_code == 1
    assert "name the folder of all images with --images DIR" in done.stderr
    assert not (tmp_path / "x").exists()
    done = evoca(*arguments, "--images", place, "--image-url", "http://localhost:8000/")
    assert done.exit_code == 0, done.stderr
    first = json.loads((tmp_path / "x" / "tasks-001.json").read_text(encoding="utf-8"))[0]
    assert first["data"]["image"] == "http://localhost:8000/photos/a%20b/china%20%C3%A9.jpg"
    again = evoca(*arguments, "--images", place)
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_many_tasks_go_into_several_files(place, tmp_path, monkeypatch):
    from evoca.adapters import convert, label_studio

    monkeypatch.setattr(label_studio, "TASKS_PER_FILE", 3)
    done = convert([place / "tags.csv"], "label-studio", tmp_path / "x", images=place)
    assert (done.images, done.unread, done.missing) == (4, 1, 0)
    sizes = {
        file.name: len(json.loads(file.read_text(encoding="utf-8")))
        for file in (tmp_path / "x").glob("tasks-*.json")
    }
    assert sizes == {"tasks-001.json": 3, "tasks-002.json": 1}
