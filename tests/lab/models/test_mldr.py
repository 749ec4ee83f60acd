"""Networks on patches, and stages as a sequence: what the papers say of them."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
from torch import nn  # noqa: E402

from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import EvocaError  # noqa: E402
from evoca.lab.config.models import Mldr, Recurrent  # noqa: E402
from evoca.lab.config.recipe import RecipeError, load_recipe  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.models.mldr import Bags, patches  # noqa: E402
from evoca.lab.models.stages import Levels  # noqa: E402
from evoca.lab.training.freezing import freeze, trainable_parameters  # noqa: E402

MLDR, RNN = "rao2016-mldrnet", "zhu2017-cnn-rnn"
TINY = ("preprocessing.height=64", "preprocessing.width=64", "model.weights=random")
SQUEEZENET = "model.backbone=squeezenet1_1_caffe"
PIXELS = torch.randint(
    0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def system_of(name, *settings):
    recipe = load_recipe(name, [*TINY, SQUEEZENET, *settings])
    return recipe, build_system(recipe, MIKELS8, seed=0)


@pytest.mark.parametrize(("height", "width", "side"), [(8, 8, 1), (8, 12, 2), (9, 14, 4)])
def test_patches_cover_the_picture_row_by_row(height, width, side):
    numbers = torch.arange(height * width).reshape(1, height, width, 1).expand(2, -1, -1, 3)
    found = patches(numbers, side)
    assert found.shape == (2, side**2, -(-height // side), -(-width // side), 3)
    assert set(found[0, ..., 0].flatten().tolist()) == set(range(height * width))
    assert torch.equal(found[:, 0, 0, 0], numbers[:, 0, 0])
    assert torch.equal(found[:, side - 1, 0, -1], numbers[:, 0, -1])


@pytest.mark.parametrize("instances", ["mean", "max"])
def test_a_bags_answer_is_of_its_patches_and_networks_are_averaged(instances):
    torch.manual_seed(0)
    bags = Bags((3, 4), 5, Mldr(system="mldr", backbone="alexnet", instances=instances))
    vectors = (torch.randn(2, 1, 3), torch.randn(2, 4, 4))
    each = [run(v).softmax(dim=2) for run, v in zip(bags.layers, vectors, strict=True)]
    if instances == "mean":
        bag = [p.mean(dim=1) for p in each]
    else:
        bag = [p.amax(dim=1) / p.amax(dim=1).sum(dim=1, keepdim=True) for p in each]
    found = bags(vectors)
    torch.testing.assert_close(found.logits.exp(), torch.stack(bag).mean(dim=0))
    torch.testing.assert_close(found.branch_logits.exp(), torch.stack(bag, dim=1))


def test_three_depths_have_weights_of_their_own_and_freeze_apart():
    recipe, system = system_of(MLDR, "steps.0.trainable=[aesthetics, head]", "steps.0.rates={}")
    depths = [
        len(system.trunk.stages()),
        *(len(p.stages) for p in (system.aesthetics, system.texture)),
    ]
    assert depths == [5, 4, 2]
    shared = [{id(p) for p in part.parameters()} for part in (system.trunk, system.aesthetics)]
    assert not shared[0] & shared[1]
    trained = trainable_parameters(system, recipe.steps[0])
    prefixes = ("aesthetics.", "head.")
    assert trained == {p for p, _ in system.named_parameters() if p.startswith(prefixes)}
    freeze(system, trained)
    system(PIXELS).branch_logits.square().sum().backward()
    assert {p for p, value in system.named_parameters() if value.grad is not None} == trained


@pytest.mark.parametrize(("name", "branches"), [(MLDR, 3), (RNN, 5)])
def test_the_chain_is_the_network(name, branches):
    _, system = system_of(name)
    system.eval()
    with torch.inference_mode():
        outputs, value = system(PIXELS), PIXELS
        for module in system.chain():
            value = module(value)
    torch.testing.assert_close(value.logits, outputs.logits)
    assert outputs.logits.shape == (2, 8)
    assert outputs.branch_logits.shape == (2, branches, 8)
    assert outputs.evidence is system.evidence_kind is None


def test_every_level_hears_of_the_others_in_both_directions():
    torch.manual_seed(0)
    options = Recurrent(system="recurrent", backbone="conv5", width=6, units=4)
    levels = Levels((3, 4, 5), 8, options)
    vectors = [torch.randn(1, width, requires_grad=True) for width in (3, 4, 5)]
    answers = levels(tuple(vectors)).branch_logits
    for answer in answers.unbind(dim=1):
        gradients = torch.autograd.grad(answer.square().sum(), vectors, retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_the_gru_is_its_equations():
    """Cho et al. 2014, in PyTorch's form: the first state of the forward direction."""
    torch.manual_seed(0)
    gru = Levels((3,), 8, Recurrent(system="recurrent", backbone="conv5", width=6, units=4)).gru
    x = torch.randn(2, 1, 6)
    r, z, n = (x[:, 0] @ gru.weight_ih_l0.T + gru.bias_ih_l0).split(4, dim=1)
    hr, hz, hn = gru.bias_hh_l0.split(4)
    update, candidate = (z + hz).sigmoid(), (n + (r + hr).sigmoid() * hn).tanh()
    torch.testing.assert_close(gru(x)[0][:, 0, :4], (1 - update) * candidate)


def test_what_does_not_fit_is_one_line():
    with pytest.raises(EvocaError, match="vit_tiny_patch16_224 takes no smaller patches"):
        system_of(MLDR, "model.backbone=vit_tiny_patch16_224")
    with pytest.raises(EvocaError, match="too small"):
        system_of(MLDR, "model.backbone=alexnet", "preprocessing.height=24")
    with pytest.raises(RecipeError, match="depths: the first network is the whole backbone, 5"):
        load_recipe(MLDR, ["model.depths=[4, 3, 2]"])


def test_five_convolutions_in_one_piece():
    _, system = system_of(RNN, "model.backbone=conv5_slim")
    layers = [m for m in system.trunk.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.groups) for m in layers] == [
        (24, 1),
        (64, 1),
        (96, 1),
        (96, 1),
        (64, 1),
    ]
