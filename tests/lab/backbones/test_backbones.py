"""Every backbone has the same five stages, sees the pixels it learnt on, and loads honestly."""

import logging
import time

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="needs the extra train")
from huggingface_hub import constants  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from evoca.errors import EvocaError  # noqa: E402
from evoca.lab.backbones import build_trunk, load_backbone  # noqa: E402
from evoca.lab.backbones.hub import asking_hub  # noqa: E402
from evoca.lab.backbones.torchvision import Torchvision  # noqa: E402
from evoca.lab.backbones.trunk import (  # noqa: E402
    ChannelDropout,
    Pixels,
)
from evoca.lab.backbones.weights import build_network  # noqa: E402
from evoca.lab.config.backbone import STAGES, backbone_names, find_backbone  # noqa: E402
from evoca.lab.config.base import RecipeError  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402

SIZE = (64, 64)
# Captioners, CLIP, SigLIP and DINO have tests of their own; slim ones are the same graphs.
LARGE = ("clip", "siglip", "dino")
BACKBONES = [
    name
    for name in backbone_names()
    if find_backbone(name).library != "transformers"
    and not name.endswith(("_slim", "_unit"))
    and not name.startswith(LARGE)
]
SMALL = "squeezenet1_1"


def pixels(n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *SIZE, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module", params=BACKBONES)
def trunk(request):
    torch.manual_seed(0)
    record = find_backbone(request.param)
    return build_trunk(record, size=SIZE, weights="random", channel_dropout=0.5).eval()


def test_five_stages_give_maps_that_shrink(trunk):
    shapes = trunk.shapes(*SIZE)
    x = pixels()
    with torch.inference_mode():
        for stage, (channels, rows, columns) in zip(trunk.stages(), shapes, strict=True):
            x = stage(x)
            assert trunk.map_of(x).shape == (2, channels, rows, columns)
    grids = [rows for _, rows, _ in shapes]
    assert grids == sorted(grids, reverse=True)


def test_stages_cover_every_parameter_and_tops_lie_in_them(trunk):
    names = {id(p) for p in trunk.parameters()}
    parts = trunk.parts()
    in_stages = [id(p) for stage in STAGES for m in parts[stage] for p in m.parameters()]
    assert set(in_stages) == names
    assert len(in_stages) == len(set(in_stages))
    tops = [{id(p) for m in parts[f"top{n}"] for p in m.parameters()} for n in range(1, 5)]
    assert all(top and top <= names for top in tops)
    assert sum(map(len, tops)) == len(set.union(*tops))


def test_channel_dropout_lies_in_the_last_stage_and_drops_whole_channels(trunk):
    found = [m for m in trunk.modules() if isinstance(m, ChannelDropout)]
    assert found
    assert found == [m for m in trunk.stage4.modules() if isinstance(m, ChannelDropout)]
    for shape, axes in (((4, 6, 3, 3), (2, 3)), ((4, 9, 6), (1,))):
        dropped = found[0].train()(torch.ones(shape))
        found[0].eval()
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
        assert (dropped.amax(dim=axes) == dropped.amin(dim=axes)).all()


def test_what_a_library_computes_is_what_the_stages_compute():
    """The last map is the one that timm's and torchvision's own forward passes have."""
    for name in ("resnet50", "densenet169", "vit_tiny_patch16_224", "efficientnet_lite0", SMALL):
        record = find_backbone(name)
        torch.manual_seed(0)
        network = build_network(record, "random").eval()
        torch.manual_seed(0)
        trunk = build_trunk(record, size=(224, 224), weights="random").eval()
        image = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8)
        with torch.inference_mode():
            seen = Pixels(record)(image)
            features = getattr(network, "forward_features", None) or network.features
            x = image
            for stage in trunk.stages():
                x = stage(x)
            torch.testing.assert_close(x, features(seen))


@pytest.mark.parametrize("name", BACKBONES)
def test_the_fast_path_works_on_every_backbone(name):
    torch.manual_seed(0)
    image = pixels()
    maps = {
        stages: load_backbone(name, stages=stages, size=SIZE, weights="random")(image)
        for stages in ("last", "all")
    }
    assert maps["all"].shape[2:] == maps["last"].shape[2:]
    assert maps["all"].shape[1] > maps["last"].shape[1]
    assert not maps["all"].requires_grad


def test_small_pictures_are_enlarged_before_any_backbone():
    record = find_backbone("squeezenet1_1")
    torch.manual_seed(0)
    trunk = build_trunk(record, size=(32, 32), weights="random", enlarge=96).eval()
    torch.manual_seed(0)
    large = build_trunk(record, size=(96, 96), weights="random").eval()
    assert trunk.shapes(32, 32) == large.shapes(96, 96)
    small = torch.randint(0, 256, (2, 1, 1, 3), dtype=torch.uint8).expand(2, 32, 32, 3)
    with torch.inference_mode():  # of one colour, which enlarging leaves as it is
        torch.testing.assert_close(
            trunk.stem(small), large.stem(small[:, :1, :1].expand(2, 96, 96, 3))
        )
    same = build_trunk(record, size=(96, 96), weights="random", enlarge=96)
    assert not hasattr(same.stem, "enlarge")
    with pytest.raises(EvocaError, match="can be smaller and is then enlarged, not larger"):
        build_trunk(record, size=(97, 96), weights="random", enlarge=96)


def test_pixels_are_seen_as_the_weights_learnt_them():
    image = torch.tensor([[[[255, 0, 51]]]], dtype=torch.uint8)
    rgb = Pixels(find_backbone("resnet101"))(image).flatten()
    expected = (np.array([1, 0, 0.2]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(rgb, expected, rtol=1e-5)
    bgr = Pixels(find_backbone("squeezenet1_1_caffe"))(image).flatten()
    np.testing.assert_allclose(bgr, [51 - 104, 0 - 117, 255 - 123], rtol=1e-5)


@pytest.mark.parametrize("name", ["resnet101", "densenet201"])
def test_pixels_can_be_divided_by_255_and_nothing_else(name):
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    for network in (name, f"{name}_unit"):
        assert load_recipe("rapolu2023-resnet101", [f"model.backbone={network}"])
    own, unit = find_backbone(name), find_backbone(f"{name}_unit")
    torch.testing.assert_close(Pixels(unit)(image).flatten(), torch.tensor([0, 0.2, 1]))
    assert (unit.architecture, unit.weights, unit.stages) == (
        own.architecture,
        own.weights,
        own.stages,
    )


def test_a_file_of_half_precision_gives_float_weights(tmp_path):
    record = find_backbone(SMALL)
    torch.manual_seed(0)
    stored = build_network(record, "random").state_dict()
    file = tmp_path / "weights.safetensors"
    # As such files are: half precision, and without the layers that no stage needs.
    kept = {k: v.half() for k, v in stored.items() if not k.startswith("classifier")}
    save_file(kept, file)
    found = build_network(record, str(file)).state_dict()
    for key, value in kept.items():
        assert found[key].dtype == torch.float32
        torch.testing.assert_close(found[key], value.float())

    save_file({k: v for k, v in kept.items() if not k.startswith("features.12.")}, file)
    with pytest.raises(EvocaError, match=r"lacks features\.12 of squeezenet1_1.*model\.without"):
        build_network(record, str(file))
    build_network(record, str(file), ("features.12",))
    save_file(kept | {"features.0.weight": torch.zeros(1)}, file)
    with pytest.raises(EvocaError, match=r"features\.0\.weight has the shape \(1,\)"):
        build_network(record, str(file))
    file.write_bytes(b"not tensors")
    with pytest.raises(EvocaError, match="not a readable"):
        build_network(record, str(file))


@pytest.mark.parametrize(
    ("name", "weights", "without", "message"),
    [
        ("squeezenet1_1_caffe", "recorded", (), "on no hub: pass model.weights=FILE"),
        (SMALL, "none.safetensors", (), "no such file"),
        (SMALL, "random", ("features.99",), "has no module features.99"),
    ],
)
def test_weights_that_cannot_be_had_are_one_line(name, weights, without, message):
    with pytest.raises(EvocaError) as caught:
        build_network(find_backbone(name), weights, without)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_one_line_that_says_what_to_pass():
    record = find_backbone("resnet50")
    unknown = record.model_copy(update={"weights": record.weights.model_copy(update={"hub": "x"})})
    with pytest.raises(EvocaError, match=r"cannot be fetched .*model\.weights=random") as caught:
        build_network(unknown, "recorded")
    assert "\n" not in str(caught.value)


def test_what_a_hubs_client_prints_does_not_mix_with_results(capsys):
    with asking_hub("something"):
        print("Downloading")  # as torchvision does
    out, err = capsys.readouterr()
    assert (out, "Downloading" in err) == ("", True)


def test_weights_of_torchvision_are_asked_for_at_their_own_host(monkeypatch, tmp_path):
    monkeypatch.setattr(Torchvision, "host", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def download(*_, **__):
        raise OSError("the line is dead")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(EvocaError, match=r"127\.0\.0\.1:9 does not answer"):
        build_network(find_backbone("alexnet"), "recorded")


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch, tmp_path, caplog):
    # Nothing listens there; left alone, its client would go on trying for half a minute.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    naps = []
    monkeypatch.setattr(time, "sleep", naps.append)
    with (
        caplog.at_level(logging.INFO, "evoca.hub"),
        pytest.raises(EvocaError, match=r"127\.0\.0\.1:9 does not answer: .*model\.weights=FILE"),
    ):
        build_network(find_backbone("resnet50"), "recorded")
    assert not naps
    assert not constants.HF_HUB_OFFLINE
    [line] = [record.getMessage() for record in caplog.records if record.name == "evoca.hub"]
    assert line.startswith("fetching the weights tv_in1k of resnet50")


def test_files_for_other_pixels_are_refused(shared_data):
    file = shared_data.parent / "weights" / "squeezenet1_1.safetensors"
    build_network(find_backbone("squeezenet1_1_caffe"), str(file))
    with pytest.raises(EvocaError, match=r"pass model\.backbone=squeezenet1_1_caffe"):
        build_network(find_backbone(SMALL), str(file))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "densenet169", "tf_efficientnet_b4"])
def test_stand_in_files_load(shared_data, name):
    file = shared_data.parent / "weights" / f"{name}.safetensors"
    without = ("blocks.6.1",) if name == "tf_efficientnet_b4" else ()
    if without:
        with pytest.raises(EvocaError, match=r"lacks blocks\.6\.1 of"):
            build_network(find_backbone(name), str(file))
    build_network(find_backbone(name), str(file), without)


def test_a_backbone_of_ones_own(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"extends": "resnet50", "name": "mine", "size": 64}))
    assert find_backbone(str(file)).architecture == "resnet50"
    file.write_text(yaml.safe_dump({"extends": "resnet50", "name": "mine", "sise": 64}))
    with pytest.raises(RecipeError, match="unknown key sise; did you mean size"):
        find_backbone(str(file))
    file.write_text(yaml.safe_dump({"extends": "resnet50", "name": "m", "maps": ["layer5"]}))
    with pytest.raises(RecipeError, match="layer5 stands in no stage"):
        find_backbone(str(file))
