import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models import Layer, load_model
from invariscope.models.blocks import MAX_LAYERS
from invariscope.models.layers import parse_selection

# spec -> side of the images, first and last block, their number, the layout of the blocks
AUTO = {
    "timm:resnet18": (64, "layer1.0", "layer4.1", 8, {"nchw"}),
    "timm:efficientnet_b0": (64, "blocks.0.0", "blocks.6.0", 16, {"nchw"}),
    "timm:vit_tiny_patch16_224": (224, "blocks.0", "blocks.11", 12, {"tokens"}),
    "timm:deit_tiny_distilled_patch16_224": (224, "blocks.0", "blocks.11", 12, {"tokens"}),
    "timm:mixer_s32_224": (224, "blocks.0", "blocks.7", 8, {"tokens"}),
    "timm:swin_tiny_patch4_window7_224": (
        224,
        "layers.0.blocks.0",
        "layers.3.blocks.1",
        12,
        {"nhwc"},
    ),
    "timm:convnext_atto": (64, "stages.0.blocks.0", "stages.3.blocks.1", 12, {"nchw"}),
    "timm:levit_128s": (224, "stem", "stages.2.blocks.3", 10, {"nchw", "tokens"}),
    "timm:maxvit_pico_rw_256": (256, "stem", "stages.3.blocks.1", 12, {"nchw"}),
    "timm:nest_tiny": (
        224,
        "levels.0.transformer_encoder.0",
        "levels.2.transformer_encoder.7",
        12,
        {"cells"},
    ),
    "timm:hiera_tiny_224": (224, "blocks.0", "blocks.11", 12, {"cells", "tokens"}),
    "timm:coat_tiny": (224, "serial_blocks1.0", "parallel_blocks.5", 14, {"tokens"}),
    "timm:efficientvit_b0": (96, "stem.res0", "stages.3.blocks.2", 11, {"nchw"}),
    "timm:ese_vovnet19b_slim_dw": (96, "stem.1", "stages.3.blocks.0", 6, {"nchw"}),
    "timm:ghostnet_050": (96, "blocks.0.0", "blocks.8.3", 16, {"nchw"}),
    "timm:legacy_xception": (96, "block1", "conv4", 14, {"nchw"}),
    "torchvision:alexnet": (128, "features.0", "features.10", 5, {"nchw"}),
    "torchvision:vgg11": (64, "features.0", "features.18", 8, {"nchw"}),
    "torchvision:squeezenet1_1": (96, "features.3", "features.12", 8, {"nchw"}),
    "torchvision:shufflenet_v2_x0_5": (64, "stage2.0", "stage4.3", 16, {"nchw"}),
    "torchvision:mobilenet_v3_small": (64, "features.1", "features.11", 11, {"nchw"}),
    "torchvision:regnet_y_400mf": (
        64,
        "trunk_output.block1.block1-0",
        "trunk_output.block4.block4-5",
        16,
        {"nchw"},
    ),
    "torchvision:swin_t": (224, "features.1.0", "features.7.1", 12, {"nhwc"}),
    "torchvision:vit_b_32": (
        224,
        "encoder.layers.encoder_layer_0",
        "encoder.layers.encoder_layer_11",
        12,
        {"tokens"},
    ),
}


# Their like is here as well: timm's Swin, AlexNet, CoaT, convolutions of any kind.
LARGE = (
    "torchvision:swin_t", "torchvision:vgg11", "torchvision:vit_b_32", "timm:nest_tiny",
    "timm:legacy_xception",
)  # fmt: skip


@pytest.mark.parametrize(
    "spec",
    [pytest.param(spec, marks=[pytest.mark.long] if spec in LARGE else []) for spec in AUTO],
)
def test_auto_watches_block_outputs(spec):
    side, first, last, number, kinds = AUTO[spec]
    probe = load_model(spec + "+untrained")
    example = torch.rand(1, 3, side, side)
    layers = probe.watch("auto", example)
    blocks = [layer for layer in layers if layer.part in ("Early", "Middle", "Late")]
    assert (blocks[0].name, blocks[-1].name, len(blocks)) == (first, last, number)
    assert layers[-1] == Layer("logits", "Final", 1.0)
    assert layers[-2].name == "embedding"
    assert [layer.depth for layer in layers] == sorted(layer.depth for layer in layers)
    assert layers[0].depth == 0.0
    sizes = [sum(b.part == part for b in blocks) for part in ("Early", "Middle", "Late")]
    assert max(sizes) - min(sizes) <= 1
    seen = probe._trace(example)
    calls = [seen.call(block.name) for block in blocks]
    assert {call.layout.kind for call in calls if call and call.layout} == kinds
    kept = probe.forward(example, [layer.name for layer in layers]).vectors
    assert all(value.ndim == 2 and len(value) == 1 for value in kept.values())


def test_pool_is_watched_when_it_is_not_the_embedding():
    example = torch.rand(1, 3, 64, 64)
    convnext = load_model("timm:convnext_atto+untrained").watch("auto", example)
    assert [layer.name for layer in convnext if layer.part == "Pool"] == [
        "head.global_pool",
        "embedding",
    ]
    resnet = load_model("timm:resnet18+untrained").watch("auto", example)
    assert [layer.name for layer in resnet if layer.part == "Pool"] == ["embedding"]


def test_long_models_are_thinned_evenly():
    layers = load_model("timm:densenet121+untrained").watch("auto", torch.rand(1, 3, 64, 64))
    blocks = [layer.name for layer in layers if layer.part in ("Early", "Middle", "Late")]
    assert len(blocks) == MAX_LAYERS
    assert blocks[0] == "features.denseblock1.denselayer1"
    assert blocks[-1] == "features.denseblock4.denselayer16"


class Unknown(nn.Module):
    """A user's network: blocks in a list, executed in another order than they are declared."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.late = nn.ModuleList([self.block() for _ in range(2)])
        self.early = nn.ModuleList([self.block() for _ in range(2)])
        self.stem = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)
        self.unused = nn.Conv2d(4, 4, 1)
        self.embedding = nn.Identity()

    def block(self):
        return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1))

    def forward(self, images):
        x = self.embedding(self.stem(images))
        for block in [*self.early, *self.late]:
            x = x + block(x)
        return self.head(x.mean((2, 3)))


EXAMPLE = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(2))


def names(selection):
    return [layer.name for layer in load_model(Unknown()).watch(selection, EXAMPLE)]


def test_an_unknown_model_in_the_order_of_execution():
    assert names("auto") == ["early.0", "early.1", "late.0", "late.1", "embedding", "logits"]
    assert names(None) == names("auto")


class Block(nn.Module):
    """Adds to maps, and puts them out as a function of them says."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.first, self.second = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, maps):
        return self.function(maps + self.second(self.first(maps).relu()))


class Hidden(nn.Module):
    """Five blocks: one puts its cells out in an order of its own, one nothing per image."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        order = torch.randperm(64)
        self.order = order.argsort()
        functions = [lambda m: m] * 3 + [
            lambda m: m.flatten(2)[..., order].view_as(m),
            lambda m: m.transpose(0, 1).flatten(0, 1),
        ]
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.ModuleList([Block(function) for function in functions])
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        maps = self.stem(images)
        for block in self.blocks[:4]:
            maps = block(maps)
        maps = maps.flatten(2)[..., self.order].view_as(maps)
        maps = self.blocks[4](maps).unflatten(0, (8, -1)).transpose(0, 1)
        return self.head(maps.mean((2, 3)))


def test_what_auto_leaves_out_is_named():
    probe = load_model(Hidden())
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    layers = [layer.name for layer in probe.watch("auto", pictures)]
    assert layers == ["blocks.0", "blocks.1", "blocks.2", "embedding", "logits"]
    maps = probe.decisions(pictures)["maps"]
    assert maps == "3 of 3 layers: NCHW; left out: blocks.3, blocks.4"
    lines = [line for line in probe.doubts(pictures) if "blocks" in line]
    assert lines == [
        "no grid of places is shown in blocks.3: left out of auto; a layer that is named is "
        "averaged to a vector",
        "no tensor that blocks.4 puts out has one entry per image: left out",
    ]
    probe.watch("blocks.3", pictures)
    assert "vectors: blocks.3" in probe.decisions(pictures)["maps"]
    probe.watch("blocks.0", pictures)
    assert not [line for line in probe.doubts(pictures) if "blocks" in line]


def test_a_plain_stack_of_convolutions():
    model = nn.Sequential(
        *[nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(4)],
        nn.Flatten(),
        nn.Linear(48, 2),
    )
    got = [layer.name for layer in load_model(model).watch("auto", EXAMPLE)]
    assert got == ["0.0", "1.0", "2.0", "3.0", "embedding", "logits"]


def test_a_model_without_any_layer_has_its_embedding():
    class Bare(nn.Module):
        def forward(self, images):
            return images.mean((2, 3))

    layers = load_model(Bare()).watch("auto", EXAMPLE)
    assert [(layer.name, layer.depth) for layer in layers] == [("embedding", 0.0), ("logits", 1.0)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("last", ["late.1"]),
        ("stem", ["stem"]),
        ("early.*", ["early.0", "early.0.0", "early.0.1", "early.0.2"]),
        ("late.1, stem", ["stem", "late.1"]),
        (["late.1", "stem,stem"], ["stem", "late.1"]),
        ("*.[01]", ["early.0", "early.1", "late.0", "late.1"]),
        ("logits", []),
        ("embedding,logits", []),
    ],
)
def test_selections(selection, expected):
    got = names(selection)
    assert got[-2:] == ["embedding", "logits"]
    if selection == "early.*":
        assert {n.split(".")[0] for n in got[:-2]} == {"early"}
        assert len(got) == 8 + 2
    elif selection == "*.[01]":
        assert set(expected) < set(got)
    else:
        assert got[:-2] == expected


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("earli.0", r"unknown layer 'earli.0': did you mean early.0"),
        ("erly*", r"unknown layer 'erly\*': did you mean"),
        ("unused", "layer 'unused' exists but does not run"),
        ("", "the selection is empty"),
        ([], "the selection is empty"),
    ],
)
def test_unknown_layers_are_named_with_their_neighbours(selection, message):
    with pytest.raises(InputError, match=message) as caught:
        names(selection)
    assert "\n" not in str(caught.value)


def test_forward_names_unknown_layers_too():
    with pytest.raises(InputError, match="unknown layer 'stme': did you mean stem"):
        load_model(Unknown()).forward(EXAMPLE, ["stme"])


def test_logits_of_a_headless_model_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match=r"the model's task is embedding, so it has no class"):
        load_model(model).watch("logits", EXAMPLE)


def test_a_layer_that_mixes_images_is_refused():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(36, 5)
            self.head = nn.Linear(5, 3)

        def forward(self, images):
            windows = self.inner(images.reshape(-1, 36))
            return self.head(windows.view(len(images), -1, 5).mean(1))

    with pytest.raises(InputError, match=r"layer 'inner': its output of shape .* not one value"):
        load_model(Windows()).watch("inner", EXAMPLE)


def test_part_and_depth_do_not_depend_on_what_else_is_watched():
    probe = load_model("timm:resnet18+untrained")
    example = torch.rand(1, 3, 64, 64)
    whole = {layer.name: layer for layer in probe.watch("auto", example)}
    (last, *_) = probe.watch("last", example)
    assert last == whole["layer4.1"]
    assert last.part == "Late"
    inside = {layer.name: layer for layer in probe.watch("conv1,layer2.1.conv1,fc", example)}
    assert (inside["conv1"].part, inside["conv1"].depth) == ("Early", 0.0)
    assert inside["layer2.1.conv1"].part == whole["layer2.1"].part
    assert whole["layer2.0"].depth < inside["layer2.1.conv1"].depth < whole["layer2.1"].depth
    assert inside["fc"].part == "Final"


def test_parse_selection():
    assert parse_selection(None) == ("auto",)
    assert parse_selection(["a,b", " c "]) == ("a", "b", "c")
