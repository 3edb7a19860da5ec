"""Which vector is the embedding: the stated rule, on networks of which the answer is known."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models import load_model

IMAGES = torch.rand(5, 3, 20, 20, generator=torch.Generator().manual_seed(2))


def embedding(model: Any, **options: Any) -> Tensor:
    probe = load_model(model, **options)
    probe.watch("last", IMAGES[:1])
    first = probe.forward(IMAGES, ["embedding"]).vectors["embedding"]
    alone = probe.forward(IMAGES[3:4], ["embedding"]).vectors["embedding"]
    torch.testing.assert_close(first[3:4], alone)
    return first


class Body(nn.Module):
    """Six pooled channels, and what a test makes of them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(3, 6, 3, 2)

    def pooled(self, images: Tensor) -> Tensor:
        return self.body(images).relu().mean((2, 3))


class Lora(nn.Module):
    """An adapter as peft makes one: a linear map and a product of two narrow ones beside it."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base_layer = base
        self.down = nn.Linear(base.in_features, 2, bias=False)
        self.up = nn.Linear(2, base.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.base_layer(x) + self.up(self.down(x))


class Cosine(nn.Module):
    """A classifier by cosines, with a matrix of its own."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width))

    def forward(self, x: Tensor) -> Tensor:
        norm = nn.functional.normalize
        return nn.functional.linear(norm(x), norm(self.weight))


class OneHead(Body):
    def __init__(self, head: nn.Module, finish=lambda x: x):
        super().__init__()
        self.head, self.finish = head, finish

    def forward(self, images: Tensor) -> Tensor:
        return self.finish(self.head(self.pooled(images)))


HEADS = {
    "adapter": lambda: (Lora(nn.Linear(6, 4)), lambda x: x),
    "adapter, then softmax": lambda: (Lora(nn.Linear(6, 4)), lambda x: x.softmax(1)),
    "adapter of as many classes": lambda: (Lora(nn.Linear(6, 6)), lambda x: x),
    "classifier by cosines": lambda: (Cosine(6, 4), lambda x: x),
    "8-bit": lambda: (_eight_bit(nn.Sequential(nn.Linear(6, 4))), lambda x: x),
    "dropout before": lambda: (nn.Sequential(nn.Dropout(), nn.Linear(6, 4)), lambda x: x),
}


def _eight_bit(head: nn.Module) -> nn.Module:
    import warnings

    with warnings.catch_warnings():  # torch points to another library
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(head)


@pytest.mark.parametrize("kind", HEADS)
def test_what_the_classifier_reads(kind):
    head, finish = HEADS[kind]()
    model = OneHead(head, finish).eval()
    torch.testing.assert_close(embedding(model), model.pooled(IMAGES).detach())


def test_a_block_with_a_shortcut_is_no_adapter():
    """Its rectifier bends it, though a 1×1 convolution inside reads and puts out what it does."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.skip, self.conv = nn.Linear(6, 6), nn.Linear(6, 6)

        def forward(self, x):
            return (self.skip(x) + self.conv(x)).relu()

    model = OneHead(head := nn.Sequential(Block(), nn.Linear(6, 6))).eval()
    expected = head[0](model.pooled(IMAGES)).detach()
    torch.testing.assert_close(embedding(model), expected)


class TwoHeads(Body):
    """The answer is the weighted sum of what two heads say of two vectors."""

    def __init__(self, same: bool = False):
        super().__init__()
        self.first, self.second = nn.Linear(6, 4), nn.Linear(6, 4)
        self.same = same

    def vectors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.pooled(images)
        return pooled, pooled if self.same else pooled.square()

    def forward(self, images: Tensor) -> Tensor:
        one, two = self.vectors(images)
        return (self.first(one) + 3 * self.second(two)) / 4


def test_all_that_several_heads_read_is_concatenated():
    model = TwoHeads().eval()
    torch.testing.assert_close(embedding(model), torch.cat(model.vectors(IMAGES), 1).detach())
    said = load_model(model).decisions(IMAGES)["embedding"]
    assert "concatenated: input of first and input of second; 12 numbers" in said


class Ensemble(nn.Module):
    """The mean of what two networks say, of their scores or of their probabilities."""

    def __init__(self, soft: bool):
        super().__init__()
        self.soft = soft
        self.nets = nn.ModuleList([OneHead(nn.Linear(6, 4)), OneHead(nn.Linear(6, 4))])

    def forward(self, images: Tensor) -> Tensor:
        said = torch.stack([net(images) for net in self.nets])
        return (said.softmax(2) if self.soft else said).mean(0)


@pytest.mark.parametrize("soft", [False, True])
def test_networks_of_an_ensemble_are_all_read(soft):
    model: Any = Ensemble(soft).eval()
    expected = torch.cat([net.pooled(IMAGES) for net in model.nets], 1).detach()
    torch.testing.assert_close(embedding(model), expected)
    said = load_model(model).decisions(IMAGES)
    assert "input of nets.0.head and input of nets.1.head" in said["embedding"]
    assert ("probabilities, whose logarithms are the logits" in said["task"]) == soft


def test_a_network_that_runs_for_several_views_is_named():
    class Flipped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = OneHead(nn.Linear(6, 4))

        def forward(self, images):
            return self.net(images) + self.net(images.flip(3))

    (doubt,) = [line for line in load_model(Flipped().eval()).doubts(IMAGES) if "runs" in line]
    assert "net.head runs 2 times in one pass" in doubt
    once = load_model(OneHead(nn.Linear(6, 4)).eval())
    assert not [line for line in once.doubts(IMAGES) if "runs" in line]


def test_heads_that_read_one_vector_give_it_once():
    model = TwoHeads(same=True).eval()
    torch.testing.assert_close(embedding(model), model.pooled(IMAGES).detach())


def test_of_two_maps_in_a_row_only_the_last_counts():
    head = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 4), nn.Softmax(1))
    model = OneHead(head).eval()
    expected = head[:2](model.pooled(IMAGES)).detach()
    torch.testing.assert_close(embedding(model), expected)


def test_a_module_that_runs_twice_is_read_the_last_time():
    class Again(Body):
        def __init__(self):
            super().__init__()
            self.mix, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

        def forward(self, images):
            return self.head(self.mix(self.mix(self.pooled(images)).relu()).relu())

    model = Again().eval()
    kept = load_model(model).forward(IMAGES, ["mix"]).vectors["mix"]
    with torch.no_grad():
        expected = model.mix(model.mix(model.pooled(IMAGES)).relu())
    torch.testing.assert_close(kept, expected)


def test_timm_has_its_own_word():
    """The head reads a normalised copy; timm's pre-logits come before the normalisation."""

    class Timm(Body):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 4)

        def forward_features(self, images):
            return self.body(images).tanh()

        def forward_head(self, maps, pre_logits=False):
            pooled = maps.mean((2, 3))
            return pooled if pre_logits else self.head(self.norm(pooled * 2))

        def forward(self, images):
            return self.forward_head(self.forward_features(images))

    model = Timm().eval()

    def pooled(images):
        return model.forward_features(images).mean((2, 3)).detach()

    torch.testing.assert_close(embedding(model), pooled(IMAGES))
    assert "forward_head" in load_model(model).decisions(IMAGES)["embedding"]
    assert "forward_head" not in vars(load_model(model).module)  # nothing is left behind
    # With derivatives, too.
    from invariscope.models import differentiate

    moved = differentiate(
        load_model(model), IMAGES, torch.ones_like(IMAGES), ["embedding"], lambda n, a, d: d
    )["embedding"]
    step = 1e-2
    expected = (pooled(IMAGES + step) - pooled(IMAGES - step)) / (2 * step)
    torch.testing.assert_close(moved, expected, rtol=1e-2, atol=1e-4)


def test_the_deepest_of_several_maps():
    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 7, 3, 2)

        def forward(self, images):
            first = self.one(images).relu()
            return {"small": self.two(first).relu(), "large": first}

    model = Pyramid().eval()
    torch.testing.assert_close(embedding(model), model(IMAGES)["small"].mean((2, 3)).detach())


def test_the_user_names_the_layer():
    model = OneHead(head := nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))).eval()
    expected = head[0](model.pooled(IMAGES)).detach()
    torch.testing.assert_close(embedding(model, embedding="head.0"), expected)
    probe = load_model(model, embedding="head.0")
    assert "named by the user" in probe.decisions(IMAGES)["embedding"]
    assert probe.num_outputs == 4
    with pytest.raises(InputError, match=r"unknown layer for the embedding 'head.7': did you mean"):
        embedding(model, embedding="head.7")
    with pytest.raises(InputError, match="nothing can be seen inside this model"):
        embedding(lambda images: images.mean((2, 3)), embedding="head")


def test_the_caller_may_be_in_inference_mode():
    with torch.inference_mode():
        images = torch.rand(3, 3, 20, 20)
        model = OneHead(nn.Linear(6, 4)).eval()
        kept = load_model(model).forward(images, ["embedding", "logits"]).vectors
        torch.testing.assert_close(kept["embedding"], model.pooled(images))
        torch.testing.assert_close(kept["logits"], model(images))


def test_models_of_transformers():
    tf = pytest.importorskip("transformers")
    size = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    size |= dict(image_size=20, patch_size=5)
    torch.manual_seed(0)
    models = {
        "image_embeds": tf.CLIPVisionModelWithProjection(
            tf.CLIPVisionConfig(**size, projection_dim=12)
        ),
        "pooler_output": tf.Dinov2Model(tf.Dinov2Config(**size)),
    }
    for key, model in models.items():
        model.eval()
        with torch.no_grad():
            expected = model(IMAGES)[key]
        torch.testing.assert_close(embedding(model), expected)
        assert load_model(model).decisions(IMAGES)["task"].startswith("embedding")
    taught = tf.DeiTForImageClassificationWithTeacher(tf.DeiTConfig(**size, num_labels=3)).eval()
    with torch.no_grad():
        tokens = taught.deit(IMAGES).last_hidden_state
    torch.testing.assert_close(embedding(taught), torch.cat([tokens[:, 0], tokens[:, 1]], 1))


def test_a_named_module_of_ours_is_not_confused_with_a_layer():
    class Named(Body):
        def __init__(self):
            super().__init__()
            self.embedding, self.logits = nn.Linear(6, 8), nn.Linear(8, 4)

        def forward(self, images):
            return self.logits(self.embedding(self.pooled(images)).relu())

    model = Named().eval()
    probe = load_model(model)
    names = [layer.name for layer in probe.watch("*", IMAGES)]
    assert sorted(names) == ["body", "embedding", "logits"]
    expected = model.embedding(model.pooled(IMAGES)).relu().detach()
    torch.testing.assert_close(embedding(model), expected)
