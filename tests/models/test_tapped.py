"""Networks that put out what is watched, and compiled ones."""

import shutil

import pytest
import torch
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models import Probe, load_model
from invariscope.models.arithmetic import Arithmetic, arranged
from invariscope.models.folding import apart

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A layer that runs twice, and an activation in place."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.again, self.act = nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        maps = self.act(self.norm(self.conv(images)))
        return self.head(self.again(self.again(maps)).sin_().mean((2, 3)))


LAYERS = ["act", "again", "embedding", "logits"]


def compiled(model: nn.Module, layers=LAYERS, images=IMAGES, **how) -> tuple[Probe, Probe]:
    torch.manual_seed(0)
    probe = load_model(model)
    probe.watch(",".join(layers[:-2]) or "last", images)
    return probe, arranged(probe, Arithmetic(compile=True, **how), layers, images)


@pytest.fixture
def uncompiled(monkeypatch):
    """Takes the module as it is for its compiled form, which takes seconds to make."""
    monkeypatch.setattr(torch, "compile", lambda module: module)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("fold", [True, False])
def test_what_is_watched_is_what_the_hooks_of_one_pass_would_see(fold):
    probe, tapped = compiled(Net(), fold=fold)
    assert tapped.arithmetic == {"batch_norms_folded": int(fold), "amp": None, "compiled": True}
    for count, layers in ((4, LAYERS), (1, LAYERS), (3, LAYERS[::-1])):
        first, second = (one.forward(IMAGES[:count], layers).vectors for one in (probe, tapped))
        assert list(first) == list(second) == layers
        assert max(apart(first[name], second[name]) for name in LAYERS) < 1e-5


@pytest.mark.usefixtures("uncompiled")
def test_other_layers_are_taken_from_the_network_as_it_is():
    probe, tapped = compiled(Net())
    first, second = (one.forward(IMAGES, ["conv", "act"]).vectors for one in (probe, tapped))
    assert first["conv"].equal(second["conv"])


@pytest.mark.usefixtures("uncompiled")
def test_an_error_of_a_reducer_is_raised_as_it_is():
    _, tapped = compiled(Net())

    def reduce(layer, activation):
        raise RunError(f"not {layer}")

    with pytest.raises(RunError, match=r"^not act$"):
        tapped.forward(IMAGES, LAYERS, reduce)


@pytest.mark.usefixtures("uncompiled")
def test_the_probes_module_carries_no_hooks():
    probe, _ = compiled(Net(), fold=False)
    assert probe.module is not None
    assert not any(p._forward_hooks or p._forward_pre_hooks for p in probe.module.modules())


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.slow
# What checks the types of the tests cannot be compiled: it is left out, with a warning.
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_gives_the_same():
    probe, tapped = compiled(Net())
    first, second = (one.forward(IMAGES, LAYERS).vectors for one in (probe, tapped))
    assert max(apart(first[name], second[name]) for name in LAYERS) < 1e-5


def test_what_cannot_be_compiled_is_refused_in_one_line(monkeypatch):
    with pytest.raises(InputError, match="`compile` needs a module of torch, and this is a plain"):
        arranged(
            load_model(lambda x: x.flatten(1)), Arithmetic(compile=True), ["embedding"], IMAGES
        )

    def fails(module):
        def run(batch):
            raise RuntimeError("no compiler\nand a long story")

        return run

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(InputError, match=r"fails with `compile` \(no compiler\); leave `compile`"):
        compiled(Net())


def test_an_embedding_inside_a_function_is_refused():
    class Head(nn.Module):
        """As timm's models with an attention pool: pre-logits that no module puts out."""

        num_classes = 3

        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward_features(self, images):
            return self.conv(images)

        def forward_head(self, maps, pre_logits=False):
            pooled = maps.mean((2, 3)).sin()
            return pooled if pre_logits else self.fc(pooled.tanh())

        def forward(self, images):
            return self.forward_head(self.forward_features(images))

    with pytest.raises(InputError, match="its embedding lies inside a function"):
        compiled(Head(), ["embedding", "logits"])
