import pytest
import torch

from invariscope.models.activations import (
    FeatureMap,
    Layout,
    Vector,
    average_pool,
    layout_of,
    token_grid,
)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((2, 8, 14, 14), Layout("nchw", 0, (14, 14))),
        ((2, 14, 14, 8), Layout("nhwc", 0, (14, 14))),
        ((2, 14, 14, 14), Layout("nchw", 0, (14, 14))),
        ((2, 197, 8), Layout("tokens", 1, (14, 14))),
        ((2, 201, 8), Layout("tokens", 5, (14, 14))),
        ((197, 2, 8), Layout("tokens_first", 1, (14, 14))),
        ((2, 8), Layout("vector")),
        ((2,), Layout("vector")),
        ((8, 49, 16), None),  # windows of several images
        ((2, 3, 4, 5, 6), None),
        ((7, 5), None),
    ],
)
def test_axes_are_recognised_by_shape(shape, layout):
    assert layout_of(torch.zeros(shape), images=2, input_size=(224, 224)) == layout


def test_oblong_images_have_oblong_grids():
    assert token_grid(6 * 8 + 1, (96, 128)) == (1, (6, 8))
    found = layout_of(torch.zeros(2, 6, 8, 10), images=2, input_size=(96, 128))
    assert found == Layout("nhwc", 0, (6, 8))


def test_tokens_that_are_no_grid_are_averaged():
    tokens = torch.rand(2, 35, 4)
    layout = layout_of(tokens, images=2, input_size=(224, 224))
    assert layout == Layout("sequence")
    assert layout is not None
    torch.testing.assert_close(layout.normalise(tokens).values, tokens.mean(1))


def test_token_grid_is_restored_row_by_row():
    tokens = torch.arange(2 * 7 * 3).view(2, 7, 3).float()
    activation = Layout("tokens", 1, (2, 3)).normalise(tokens)
    assert isinstance(activation, FeatureMap)
    for row in range(2):
        for column in range(3):
            position = activation.values[:, :, row, column]
            assert torch.equal(position, tokens[:, 1 + 3 * row + column])


def test_layouts_agree_on_the_same_map():
    maps = torch.rand(2, 5, 4, 6)
    channels_last = maps.permute(0, 2, 3, 1).contiguous()
    tokens = channels_last.view(2, 24, 5)
    for layout, tensor in [
        (Layout("nchw"), maps),
        (Layout("nhwc"), channels_last),
        (Layout("tokens", 0, (4, 6)), tokens),
        (Layout("tokens_first", 0, (4, 6)), tokens.transpose(0, 1)),
    ]:
        assert torch.equal(layout.normalise(tensor).values, maps)


def test_average_pool_is_float32_and_never_a_view():
    vector = torch.rand(2, 3)
    kept = average_pool("x", Vector(vector))
    before = kept.clone()
    vector.zero_()
    assert torch.equal(kept, before)
    half = torch.rand(2, 3, 64, 64).to(torch.bfloat16)
    pooled = average_pool("x", FeatureMap(half))
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, half.float().mean((2, 3)))
