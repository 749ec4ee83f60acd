"""Copies between what is learnt from and what is measured, through the commands."""

import csv
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from PIL import Image
from typer.testing import CliRunner

from evoca.cli import app
from evoca.emotions import MIKELS8
from evoca.lab.experiments import search
from evoca.lab.training.step_context import TrainingError
from evoca.papers.run_facts import facts_of
from evoca.runs import read_run
from website import make_picture

RECIPE = {
    "name": "drawn",
    "summary": "A frozen trunk and a head.",
    "model": {"system": "classifier", "backbone": "efficientnet_lite0"},
    "preprocessing": {"height": 32, "width": 32},
    "steps": [
        {"name": "head", "trainable": ["head"], "rate": 1e-2, "epochs": 2, "batch_size": 16},
    ],
}


def evoca(*arguments):
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code in {0, 1}, done.exception
    return done


def write(name, rows):
    with Path(name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["image", "emotion", "split"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Sixteen test pictures, then a copy of one training and one validation image a class."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("copies")
        patch.chdir(place)
        patch.setenv("EVOCA_CACHE", str(place / "cache"))
        rows = []
        for k, emotion in enumerate(MIKELS8):
            for n, split in enumerate(("train", "train", "val", "test", "test")):
                picture = make_picture(10 * k + n, (320, 240))
                picture.save(f"{k}-{n}.jpg", quality=95)
                rows.append({"image": f"{k}-{n}.jpg", "emotion": emotion, "split": split})
                if n in (0, 2):
                    copy = f"{k}-{n}-copy.png"
                    Image.open(f"{k}-{n}.jpg").resize((160, 120)).save(copy)
                    rows.append({"image": copy, "emotion": emotion, "split": "test"})
        write("data.csv", rows)
        write("clean.csv", [row for row in rows if "copy" not in row["image"]])
        Path("recipe.yaml").write_text(yaml.safe_dump(RECIPE))
        done = evoca("train", "recipe.yaml", "--data", "data.csv", "--out", "run", "--workers", "0")
        assert done.exit_code == 0, done.stderr
        evoca("export", "run", "--out", "bundle")
        yield done


def test_training_says_that_measured_images_are_copies(trained):
    found = json.loads(Path("run/metrics.json").read_text())
    assert (found["n"], found["copies_of_training_images"]) == (32, 8)
    assert found["copies_of_validation_images"] == 8
    warning = (
        "WARNING: of 32 evaluated images 8 are copies of training images and 8 of validation "
        "images, which chose"
    )
    assert warning in found["notes"][0]
    assert warning in trained.stderr


def test_a_run_of_copies_gets_no_verdict_beside_a_paper(trained):
    facts = facts_of(read_run("run"))
    assert facts.evaluated_on_known_images(None)
    assert facts.known_images(None) == (
        "of the 32 evaluated images 8 are copies of training images, 8 are validation images, or "
        "copies of them"
    )
    assert facts.to_dict()["copies_of_known_images"] == 16
    shown = evoca("reproduce", "run").stdout
    assert "how well it remembers" in " ".join(shown.split())


def test_training_leaves_copies_out_on_request(trained):
    command = ("train", "recipe.yaml", "--data", "data.csv", "--out", "clean", "--workers", "0")
    done = evoca(*command, "--without-copies")
    assert done.exit_code == 0, done.stderr
    found = json.loads(Path("clean/metrics.json").read_text())
    assert (found["n"], found["copies_of_training_images"]) == (16, 0)
    assert not any("WARNING" in note for note in found["notes"])
    assert json.loads(Path("clean/run.json").read_text())["split"]["copies_left_out"] == 16
    refused = evoca(*command, "--resume")
    assert (
        "clean: a finished run was evaluated without copies; name another folder" in refused.stderr
    )
    assert refused.exit_code == 1


@pytest.mark.parametrize("system", ["bundle", "run"])
def test_evaluation_says_that_images_are_copies(trained, system):
    done = evoca("evaluate", system, "--data", "data.csv", "--format", "json", "--out", "found")
    found = json.loads(done.stdout)
    Path("found").rename(f"found-{system}")
    counts = ("training_images", "copies_of_training_images", "copies_of_validation_images")
    assert [found[name] for name in counts] == [0, 8, 8]
    assert found["notes"][0].startswith("WARNING: 8 of 32 images are copies of training images of")
    assert "WARNING: 8 of 32 images are validation images, which chose" in done.stderr
    about = json.loads(Path(f"found-{system}/run.json").read_text())
    assert about["copies_of_training_images"] == 8
    fewer = evoca("evaluate", system, "--data", "data.csv", "--format", "json", "--without-copies")
    left = json.loads(fewer.stdout)
    assert (left["n"], left["copies_left_out"]) == (16, 16)
    assert [left[name] for name in counts] == [0, 0, 0]


def test_the_very_images_are_training_images_and_images_that_chose(trained):
    done = evoca("evaluate", "bundle", "--data", "clean.csv", "--split", "train", *JSON)
    assert json.loads(done.stdout)["training_images"] == 16
    done = evoca("evaluate", "bundle", "--data", "clean.csv", "--split", "val", *JSON)
    assert json.loads(done.stdout)["copies_of_validation_images"] == 8
    done = evoca("evaluate", "bundle", "--data", "clean.csv", *JSON)
    assert not any("WARNING" in note for note in json.loads(done.stdout)["notes"])


JSON = ("--format", "json")


def test_a_model_is_known_by_pictures_that_were_made_anew(trained):
    """Full-size originals against small copies, turned ones, slightly cropped ones."""
    changes = {
        "large": lambda picture: picture.resize((960, 720), Image.Resampling.BICUBIC),
        "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
        "cropped": lambda picture: picture.crop((3, 3, 317, 237)),
    }
    for name, change in changes.items():
        rows = []
        for k, emotion in enumerate(MIKELS8):
            for n in range(2):
                image = f"{name}-{k}-{n}.png"
                change(Image.open(f"{k}-{n}.jpg")).save(image)
                rows.append({"image": image, "emotion": emotion, "split": ""})
        write(f"{name}.csv", rows)
        found = json.loads(evoca("evaluate", "bundle", "--data", f"{name}.csv", *JSON).stdout)
        assert (found["training_images"], found["copies_of_training_images"]) == (0, 16), name
        refused = evoca("evaluate", "bundle", "--data", f"{name}.csv", "--without-copies")
        assert refused.exit_code == 1
        assert "nothing is left to evaluate on without copies" in refused.stderr


def test_predictions_made_elsewhere_are_held_against_the_other_splits(trained):
    evoca("evaluate", "bundle", "--data", "data.csv", "--out", "elsewhere")
    table = "elsewhere/predictions.csv"
    done = evoca("evaluate", table, "--data", "data.csv", *JSON)
    found = json.loads(done.stdout)
    assert (found["training_images"], found["copies_of_training_images"]) == (None, 8)
    assert "8 of 32 images are copies of images of the split train of data.csv" in done.stderr
    assert (
        json.loads(
            evoca("evaluate", table, "--data", "data.csv", "--without-copies", *JSON).stdout
        )["n"]
        == 16
    )


def test_a_matrix_marks_cells_of_copies(trained):
    done = evoca("matrix", "--model", "bundle", "--data", "data.csv")
    assert "16 of 32 images are copies of training or validation images" in done.stderr
    assert "! [" in done.stdout


def test_a_probe_says_so_too_when_it_is_trained_and_when_it_is_finished(trained):
    few = ("--set", "protocol.folds=3", "--set", "protocol.inner_folds=2")
    command = ("train", "colour-svm", "--data", "data.csv", "--out", "probe", *few)
    done = evoca(*command)
    assert done.exit_code == 0, done.stderr
    found = json.loads(Path("probe/metrics.json").read_text())
    assert (found["n"], found["copies_of_training_images"]) == (32, 16)
    warning = "WARNING: of 32 evaluated images 16 are copies of training images"
    assert warning in done.stderr
    again = evoca(*command, "--resume")
    assert "finished already" in again.stderr
    assert warning in " ".join(again.stderr.split())


def test_a_probe_of_a_bundle_counts_them_too(trained):
    done = evoca("probe", "bundle", "--data", "data.csv", "--split", "test", "--limit", "6", *JSON)
    found = json.loads(done.stdout)
    copies = found["copies_of_training_images"]
    assert (found["n"], found["training_images"]) == (6, 0)
    assert 0 < copies < 6
    assert f"WARNING: {copies} of 6 images are copies of training images of" in done.stderr


def test_a_bundle_without_perceptual_hashes_knows_no_number_of_copies(trained):
    shutil.copytree("bundle", "older")
    card = json.loads(Path("older/model.json").read_text()) | {"format_version": 2}
    Path("older/model.json").write_text(
        json.dumps({key: card[key] for key in card if not key.endswith("_perceptual_hashes")})
    )
    done = evoca("evaluate", "older", "--data", "data.csv", *JSON)
    found = json.loads(done.stdout)
    assert (found["training_images"], found["copies_of_training_images"]) == (0, None)
    assert "not looked for (no perceptual hashes of them are recorded)" in done.stderr


def test_a_search_keeps_copies_on_one_side_and_says_where_it_cannot(trained, monkeypatch):
    parts = []

    def fit(_, task, *rest, **how):
        parts.append(({*task.train.names}, {*task.validation.names}))
        raise TrainingError("enough seen")

    monkeypatch.setattr(search, "fit", fit)
    pictures = [
        (f"{k}-{n}{end}", emotion)
        for k, emotion in enumerate(MIKELS8)
        for n, end in ((0, ".jpg"), (0, "-copy.png"), (2, ".jpg"), (2, "-copy.png"))
    ]
    write("pairs.csv", [{"image": name, "emotion": emotion} for name, emotion in pictures])
    space = {"settings": {"steps.0.rate": {"values": [1e-2]}}, "sampler": "grid"}
    Path("space.yaml").write_text(yaml.safe_dump(space))
    command = ("search", "recipe.yaml", "--space", "space.yaml", "--workers", "0")
    evoca(*command, "--data", "pairs.csv", "--out", "cut", "--set", "protocol.validation=0.5")
    ((train, validation),) = parts
    assert {name[:3] for name in train}.isdisjoint(name[:3] for name in validation)

    rows = [
        {"image": name, "emotion": emotion, "split": "val" if "copy" in name else "train"}
        for name, emotion in pictures
    ]
    write("across.csv", rows)
    said = evoca(*command, "--data", "across.csv", "--out", "named").stderr
    assert "WARNING: of 16 validation images 16 are copies of training images" in said


def test_a_training_says_that_copies_chose(trained):
    """Its test images are clean, but what was stopped and chosen by copies remembers."""
    rows = [
        {"image": f"{k}-{n}{end}", "emotion": emotion, "split": split}
        for k, emotion in enumerate(MIKELS8)
        for n, end, split in ((0, ".jpg", "train"), (0, "-copy.png", "val"), (3, ".jpg", "test"))
    ]
    write("chose.csv", rows)
    command = ("train", "recipe.yaml", "--data", "chose.csv", "--out", "chose", "--workers", "0")
    done = evoca(*command)
    assert done.exit_code == 0, done.stderr
    warning = "WARNING: of 8 validation images 8 are copies of training images"
    assert warning in done.stderr
    assert warning in json.loads(Path("chose/metrics.json").read_text())["notes"][0]
