"""A captioner from a folder as a backbone, and its words: loaded honestly, kept, exported."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("transformers", reason="needs the extra caption")
import evoca  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import EvocaError, MissingExtraError  # noqa: E402
from evoca.lab.backbones import transformers as hub_models  # noqa: E402
from evoca.lab.config.backbone import find_backbone  # noqa: E402
from evoca.lab.config.describe import in_words  # noqa: E402
from evoca.lab.config.recipe import load_recipe, recipe_names  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import RunOptions  # noqa: E402
from evoca.lab.training.freezing import freeze, parameter_groups, trainable_parameters  # noqa: E402
from evoca.runtime.bundle import read_bundle  # noqa: E402
from tiny_captioner import save_captioner, save_encoder, write_record  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402

CAPTIONED = [n for n in recipe_names() if n.startswith("jacobson2019-caption")]
EMBEDDING, TEXT = "jacobson2019-caption-embedding", "jacobson2019-caption-text"
PIXELS = torch.randint(
    0, 256, (3, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Stand the tiny captioner in for the hub's."""
    folder = tmp_path_factory.mktemp("hub")
    return {
        "model.backbone": write_record(folder / "tiny.yaml"),
        "model.weights": save_captioner(folder / "captioner"),
        "model.encoder": save_encoder(folder / "encoder"),
        "preprocessing.height": 16,
        "preprocessing.width": 16,
    }


def recipe_of(name, settings, **more):
    mine = {k: v for k, v in settings.items() if name == TEXT or k != "model.encoder"}
    pairs = mine | {key.replace("__", "."): value for key, value in more.items()}
    return load_recipe(name, [f"{key}={value}" for key, value in pairs.items()])


def system_of(name, settings, **more):
    recipe = recipe_of(name, settings, **more)
    return recipe, build_system(recipe, MIKELS8, seed=0)


@pytest.mark.parametrize("name", CAPTIONED)
def test_only_the_layers_learn(name, settings):
    recipe, system = system_of(name, settings)
    (step,) = recipe.steps
    trained = trainable_parameters(system, step)
    assert trained == {n for n, _ in system.named_parameters() if n.startswith("head.")}
    assert len(system.head.layers) == 3
    rate = 1e-4 if name.endswith("rate-1e-4") else 1e-3
    assert {group["lr"] for group in parameter_groups(system, step)} == {rate}
    assert step.batch_size == 64
    freeze(system, trained)
    system(PIXELS).logits.sum().backward()
    assert {n for n, p in system.named_parameters() if p.grad is not None} == trained


def test_the_trunk_sees_what_the_captioner_sees(settings):
    from transformers import BlipForConditionalGeneration

    whole = BlipForConditionalGeneration.from_pretrained(settings["model.weights"]).eval()
    system = build_system(
        recipe_of(EMBEDDING, settings, preprocessing__height=32, preprocessing__width=32),
        MIKELS8,
        seed=0,
    ).eval()
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        seen = whole.vision_model(system.trunk.stem.pixels(pixels)).last_hidden_state
        torch.testing.assert_close(system.last_stage(pixels), seen)
        torch.testing.assert_close(system(pixels).embedding, seen[:, 0])


def test_captions_are_the_captioners_own_and_their_vectors_of_length_one(settings):
    from transformers import BlipForConditionalGeneration

    _, system = system_of(TEXT, settings)
    whole = BlipForConditionalGeneration.from_pretrained(settings["model.weights"]).eval()
    with torch.inference_mode():
        pixels = system.trunk.stem.enlarge(system.trunk.stem.pixels(PIXELS))
        expected = whole.generate(pixels, max_new_tokens=20, num_beams=3, do_sample=False)
        words = system.join.words
        texts = system.captions(PIXELS)
        assert texts == [
            t.strip() for t in words._tokenizer.batch_decode(expected, skip_special_tokens=True)
        ]
        assert len(set(texts)) > 1
        vectors = words.vectors(["a b c", "a b c d e f"], torch.device("cpu"))
        alone = words.vectors(["a b c"], torch.device("cpu"))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(vectors[:1], alone)  # what fills up does not count


def test_the_vectors_stand_side_by_side(settings):
    _, both = system_of(TEXT, settings)
    _, text = system_of(TEXT, settings, model__vectors="text")
    with torch.inference_mode():
        joined, alone = both.eval()(PIXELS).embedding, text.eval()(PIXELS).embedding
    assert joined.shape == (3, 32 + 24)
    torch.testing.assert_close(joined[:, 32:], alone)
    torch.testing.assert_close(joined[:, :32].square().mean(dim=1), torch.ones(3))
    longer = system_of(TEXT, settings, model__words=5)[1]
    assert repr(longer.join) != repr(both.join)  # kept vectors of one are not the other's
    assert not any(n.startswith("join.") for n in both.state_dict())


@pytest.mark.parametrize("name", [EMBEDDING, TEXT])
def test_it_learns_drawn_pictures_from_kept_vectors_and_exports_what_can_be(
    name, settings, tmp_path, monkeypatch
):
    for split, each, seed in (("train", 6, 0), ("val", 2, 1), ("test", 2, 2)):
        draw_pictures(tmp_path / "data", each, split, seed)
    data = load_labelled(tmp_path / "data")
    recipe = recipe_of(
        name, settings, steps__layers__epochs=25, steps__layers__batch_size=16, model__dropout=0
    )
    options = RunOptions(accelerator="cpu", workers=0, tensorboard=False, cache=tmp_path / "cache")

    def build(recipe, labels, seed):
        return build_system(recipe, labels, seed=seed)

    run = tmp_path / "run"
    train_steps(recipe, build, data, run, options, data_name="drawn")
    rows = (run / "history.csv").read_text().splitlines()
    assert max(float(row.split(",")[5]) for row in rows[1:]) > 0.95
    kept = list((tmp_path / "cache" / "features").glob("*/*.npy"))
    assert sum(len(np.load(file)) for file in kept) == len(data)
    if name == TEXT:
        with pytest.raises(EvocaError, match="cannot be exported: a caption is written word by"):
            export_bundle(run, tmp_path / "bundle")
        return
    # Only the head and the tower go into the bundle, and neither folder is needed for it.
    monkeypatch.setattr(hub_models, "folder_of", lambda *_: pytest.fail("asked for a folder"))
    card = export_bundle(run, tmp_path / "bundle").card
    assert card.evidence_kind is None
    test = data.in_split("test")
    answers = evoca.load(read_bundle(tmp_path / "bundle").path).predict(list(test.paths))
    found = np.array([list(answer.probabilities.values()) for answer in answers])
    lines = (run / "predictions.csv").read_text().splitlines()
    first = lines[0].split(",").index("p_amusement")
    measured = np.array([line.split(",")[first : first + 8] for line in lines[1:]], dtype=float)
    np.testing.assert_allclose(found, measured, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (TEXT, {"model__weights": "random"}, "a captioner needs its words beside its weights"),
        (TEXT, {"model__backbone": "resnet50"}, "resnet50 writes no captions"),
        (TEXT, {"model__encoder": "/nowhere/"}, "/nowhere/: no folder of a model"),
        (EMBEDDING, {"model__weights": "/nowhere/"}, "/nowhere/: no folder of a model"),
        (EMBEDDING, {"preprocessing__height": 64}, "can be smaller and is then enlarged"),
        (EMBEDDING, {"model__backbone": "alexnet"}, "alexnet takes a .safetensors file"),
        (EMBEDDING, {"model__backbone": "blip_base"}, "its hidden_size is 32, that of blip_base"),
    ],
)
def test_what_cannot_be_had_is_one_line(name, changes, message, settings):
    with pytest.raises(EvocaError) as caught:
        system_of(name, settings, **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_refused(settings, tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    shutil.copy(Path(settings["model.weights"], "config.json"), folder)
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(EvocaError, match="its weights must be safetensors"):
        hub_models.captioner_of(find_backbone(settings["model.backbone"]), f"{folder}/")


def test_a_hub_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EvocaError, match=r"cannot be fetched .*pass a folder") as caught:
        hub_models.folder_of("nobody/nothing-of-this-name", "main")
    assert "\n" not in str(caught.value)


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="caption"):
        hub_models.captioner_of(find_backbone("blip_base"), "random")


def test_words_say_what_is_not_pinned_and_why_there_is_no_bundle():
    network = " ".join(dict(in_words(load_recipe(TEXT)))["Network"])
    assert "beam search of 3" in network
    assert "revision not pinned" in network
    assert "Cannot be exported: a caption is written word by word" in network
    small = " ".join(dict(in_words(load_recipe(EMBEDDING)))["Network"])
    assert "the network enlarges it to 384 x 384" in small
    pinned = in_words(load_recipe(TEXT, ["model.encoder_revision=abc"]))
    assert "revision abc" in " ".join(dict(pinned)["Network"])
