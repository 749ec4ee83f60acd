"""Features made by hand are scikit-image's and OpenCV's, machines scikit-learn's; export."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
skimage = pytest.importorskip("skimage", reason="scikit-image is what they are held against")
cv2 = pytest.importorskip("cv2", reason="OpenCV is what they are held against")
from PIL import Image  # noqa: E402
from skimage.color import rgb2hsv  # noqa: E402
from skimage.feature import hog, local_binary_pattern  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

import evoca  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import DataError, EvocaError  # noqa: E402
from evoca.lab.config.models import Hog, SiftWords  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.probing import train  # noqa: E402
from evoca.lab.experiments.run_files import read_head  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.features.colour import colour_bins, uniform_patterns  # noqa: E402
from evoca.lab.features.extract import load_pixels  # noqa: E402
from evoca.lab.features.hog import OrientedGradients  # noqa: E402
from evoca.lab.features.sift import DenseSift  # noqa: E402
from evoca.lab.heads.factory import extractor_of, fitter_of, network_of  # noqa: E402
from evoca.lab.heads.svm import (  # noqa: E402
    SvmClassifier,
    SvmFitter,
)
from evoca.lab.heads.visual_words import (  # noqa: E402
    BagOfWords,
    WordsFitter,
    WordsHead,
    word_shares,
)
from evoca.lab.models.onnx_export import export_system, parity  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402

SMALL = ("preprocessing.height=64", "preprocessing.width=64", "protocol.inner_folds=2")
ONCE = (*SMALL, "protocol.folds=2", "head.c_grid=[3]")


def pictures(n=3, side=64):
    """Noise, a smooth picture and an even one."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    smooth = np.stack(
        [np.tile(ramp, (side, 1)), np.tile(ramp[:, None], side), np.full((side, side), 90)], 2
    )
    parts = [rng.integers(0, 256, (side, side, 3)), smooth, np.full((side, side, 3), 77)]
    return np.stack(parts[:n]).astype(np.uint8)


@pytest.mark.parametrize(("cell", "block", "orientations"), [(16, 2, 9), (8, 3, 8), (16, 1, 12)])
def test_gradients_are_those_of_scikit_image(cell, block, orientations):
    options = Hog(system="hog", cell=cell, block=block, orientations=orientations)
    ours = OrientedGradients(options, (64, 64))(torch.from_numpy(pictures()))[:, :, 0, 0]
    for picture, row in zip(pictures(), ours.numpy(), strict=True):
        theirs = hog(picture, orientations, (cell, cell), (block, block), channel_axis=-1)
        np.testing.assert_allclose(row, theirs, atol=1e-5)


def test_colours_and_patterns_are_those_of_scikit_image():
    images = pictures()
    bins = colour_bins(torch.from_numpy(images.astype(np.int32)), (8, 4, 4)).numpy()
    for picture, found in zip(images, bins, strict=True):
        scaled = rgb2hsv(picture) * (8, 4, 4)
        places = np.minimum(np.floor(scaled), (7, 3, 3)).astype(int)
        theirs = np.ravel_multi_index(places.transpose(2, 0, 1), (8, 4, 4))
        # On an edge between bins its fractions fall to either side by their rounding.
        edge = (np.abs(scaled - np.round(scaled)) < 1e-9) & (scaled != 0) & (scaled < (8, 4, 4))
        clear = ~edge.any(axis=2)
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(found[clear], theirs[clear])
    grey = images[..., 0]
    patterns = uniform_patterns(torch.from_numpy(grey).double()).numpy()
    for picture, found in zip(grey, patterns, strict=True):
        np.testing.assert_array_equal(found, local_binary_pattern(picture, 8, 1, "uniform"))


@pytest.mark.parametrize("labels", [2, 4])
def test_decision_values_are_those_of_scikit_learn(labels):
    rng = np.random.default_rng(0)
    truth = np.arange(80) % labels
    features = (rng.normal(size=(80, 5)) * 3 + truth[:, None]).astype(np.float32)
    features[:, 4] = 2  # never varies
    (machine,) = SvmFitter((1.5,), gamma=1.0).path(features, truth, (1.5,))
    standard = (features - machine.centre) / machine.spread
    theirs = SVC(C=1.5, gamma=1 / 5, break_ties=labels > 2).fit(standard, truth)
    ours = machine.logits(features)
    np.testing.assert_array_equal(ours.argmax(axis=1), theirs.predict(standard))
    if labels > 2:
        np.testing.assert_allclose(ours, theirs.decision_function(standard), atol=1e-5)


@pytest.mark.parametrize(("step", "diameter"), [(16, 24), (8, 40), (24, 12)])
def test_sift_is_that_of_opencv(step, diameter, examples):
    options = SiftWords(system="sift_words", step=step, diameter=diameter)
    photographs = [Image.open(file).convert("RGB") for file in sorted(examples.glob("*.jpg"))]
    images = np.stack([np.asarray(p.resize((96, 72))) for p in photographs])
    images = np.concatenate([images, np.full((1, 72, 96, 3), 77, dtype=np.uint8)])
    ours = DenseSift(options, (72, 96))(torch.from_numpy(images)).reshape(len(images), -1, 128)
    rows, columns = (range(step // 2, length, step) for length in (72, 96))
    # A key point's size is a third of two of the descriptor's four cells.
    grid = [cv2.KeyPoint(x, y, diameter / 6, 0) for y in rows for x in columns]
    for image, found in zip(images, ours.numpy(), strict=True):
        _, theirs = cv2.SIFT.create().compute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), grid)
        # Of 0 to 255; OpenCV rounds, and its angles are good to a third of a degree.
        assert np.abs(found - theirs).max() < 15
        assert np.abs(found - theirs).mean() < 1


def test_words_come_from_training_images_alone():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 256)).astype(np.float32)
    fitter = WordsFitter(4, SvmFitter((1.0,), 1.0), seed=0)
    one, same = (next(fitter.path(features, np.arange(20) % 2, (1.0,))) for _ in range(2))
    np.testing.assert_array_equal(one.words, same.words)
    shares = word_shares(features, one.words)
    np.testing.assert_allclose((shares**2).sum(axis=1), 1, rtol=1e-5)
    assert one.logits(features).shape == (20, 2)
    options = SiftWords(system="sift_words", step=64)
    with pytest.raises(EvocaError, match="smaller than 64 pixels"):
        DenseSift(options, (16, 16))


def test_more_words_than_descriptors_are_one_line():
    features = np.zeros((4, 256), dtype=np.float32)
    fitter = WordsFitter(9, SvmFitter((1.0,), 1.0), seed=0)
    with pytest.raises(DataError, match="9 words cannot be learnt from the 8 descriptors"):
        next(fitter.path(features, np.arange(4) % 2, (1.0,)))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("hog-svm", ("head.gamma=.inf",), "head.gamma"),
        ("hog-svm", ("head.c_grid=[1, .inf]",), "head.c_grid.1: must be a finite"),
        ("colour-svm", ("model.bins=[32, 32, 32]",), "32768 colours; at most 1024"),
        (
            "colour-svm",
            ("model.grid=8", "preprocessing.height=4", "preprocessing.width=9"),
            "4 x 9 pixels have no 8 x 8 cells",
        ),
    ],
)
def test_what_cannot_be_computed_is_one_line(name, settings, message):
    with pytest.raises(EvocaError) as caught:
        network_of(load_recipe(name, settings))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Pictures that differ in colour and in the direction of their stripes."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_pictures(folder, 5)
    for i, emotion in enumerate(MIKELS8):
        across, down = np.meshgrid(np.arange(80), np.arange(80))
        phase = across * np.cos(np.pi * i / 8) + down * np.sin(np.pi * i / 8)
        stripes = 100 * (np.sin(phase / (3 + i)) > 0)[..., None]
        for file in sorted((folder / "train" / emotion).glob("*.png")):
            colours = np.asarray(Image.open(file).resize((80, 80)))
            Image.fromarray((colours * 0.5 + stripes).astype(np.uint8)).save(file)
    return load_labelled(folder)


@pytest.mark.parametrize("name", ["hog-svm", "colour-svm", "sift-svm"])
def test_each_learns_a_drawn_set(name, drawn):
    recipe = load_recipe(name, [*ONCE, *(["model.words=32"] if name == "sift-svm" else [])])
    extractor = extractor_of(recipe)
    pixels = np.stack([np.asarray(Image.open(path).resize((64, 64))) for path in drawn.paths])
    features = extractor(pixels).mean(axis=(2, 3))
    head = next(iter(fitter_of(recipe, drawn.labels).path(features, drawn.truth, (3.0,))))
    assert (head.logits(features).argmax(axis=1) == drawn.truth).mean() > 0.95


@pytest.mark.parametrize("name", ["hog-svm", "colour-svm", "sift-svm"])
def test_onnx_agrees_with_the_machine(name, drawn, tmp_path):
    recipe = load_recipe(name, ONCE)
    network = network_of(recipe)
    pixels = torch.from_numpy(pictures(3))
    rng = np.random.default_rng(0)
    with torch.inference_mode():
        descriptors = network(pixels)[:, :, 0, 0].numpy()
    features, words = descriptors, None
    if name == "sift-svm":
        words = rng.normal(30, 30, size=(20, 128)).astype(np.float32)
        features, network = word_shares(descriptors, words), BagOfWords(network, words)
    known = np.concatenate([features, rng.random((21, features.shape[1]), dtype=np.float32)])
    (machine,) = SvmFitter((3.0,), 1.0).path(known, np.arange(24) % 8, (3.0,))
    system = SvmClassifier(network, machine).eval()
    export_system(system, 64, 64, tmp_path / "model.onnx")
    assert max(parity(system, tmp_path / "model.onnx", pixels).values()) < 1e-3
    head = machine if words is None else WordsHead(words, machine)
    with torch.inference_mode():
        np.testing.assert_allclose(system(pixels).logits, head.logits(descriptors), atol=1e-3)


@pytest.mark.parametrize("name", ["colour-svm", "sift-svm"])
def test_a_measured_machine_becomes_a_bundle(name, tmp_path):
    draw_pictures(tmp_path / "data", 5)
    drawn = load_labelled(tmp_path / "data")
    settings = [*ONCE, *(["model.words=32"] if name == "sift-svm" else [])]
    recipe = load_recipe(name, settings)
    train(recipe, drawn, tmp_path / "run")
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert (bundle.card.provenance.backbones, bundle.card.evidence_kind) == ((), None)
    answers = evoca.load(bundle.path).predict(list(drawn.paths))
    found = np.array([MIKELS8.index(answer.emotion) for answer in answers])
    (pixels,) = load_pixels(drawn.paths, recipe.preprocessing, batch_size=len(drawn.paths))
    features = extractor_of(recipe)(pixels).mean(axis=(2, 3))
    head = read_head(tmp_path / "run" / "checkpoints" / "last")
    np.testing.assert_array_equal(found, head.logits(features).argmax(axis=1))
    if name == "colour-svm":
        assert (found == drawn.truth).mean() > 0.95
