"""The Lie derivative: closed forms, theorems, an oracle by complex steps, messages."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.metrics import Spread, lie_derivative, relative_lie_derivative
from invariscope.metrics.lie_derivative import softmax_derivative
from oracles.lie import reference_lie_derivative, reference_relative_lie_derivative


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_linear_function_in_closed_form():
    """f(x) = Mx under x → exp(tA) x: L f = MAx; with T′ = exp(tB): MAx − BMx."""
    x, m, a, b = doubles(4, 6), doubles(3, 6, seed=1), doubles(6, 6, seed=2), doubles(3, 3, seed=3)
    tangent = x @ a.T
    got = lie_derivative(lambda x: x @ m.T, x, tangent)
    expected = (x @ a.T @ m.T).square().mean(1)
    torch.testing.assert_close(got, expected, rtol=1e-14, atol=0)
    acted = lie_derivative(lambda x: x @ m.T, x, tangent, output_tangent=lambda y: y @ b.T)
    expected = (x @ a.T @ m.T - x @ m.T @ b.T).square().mean(1)
    torch.testing.assert_close(acted, expected, rtol=1e-13, atol=0)


def shift(images):
    """d/dt of a shift to the right on a circle, per pixel, by the central difference."""
    return (images.roll(1, -1) - images.roll(-1, -1)) / 2


def test_a_circular_convolution_is_equivariant_to_shifts_and_its_mean_invariant():
    x, weights = doubles(3, 2, 8, 9), doubles(4, 2, 3, 3, seed=1)

    def convolve(images):
        return functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="circular"), weights)

    error = lie_derivative(convolve, x, shift(x), output_tangent=shift)
    assert error.max() < 1e-28
    assert lie_derivative(convolve, x, shift(x)).min() > 1e-2  # it is not invariant
    pooled = lie_derivative(lambda x: convolve(x).mean((2, 3)), x, shift(x))
    assert pooled.max() < 1e-28


def test_a_convolution_with_zero_padding_is_not_equivariant_at_its_border():
    x, weights = doubles(3, 2, 8, 9), doubles(4, 2, 3, 3, seed=1)
    error = lie_derivative(
        lambda x: functional.conv2d(x, weights, padding=1), x, shift(x), output_tangent=shift
    )
    assert error.min() > 1e-3


def test_a_small_net_against_the_complex_step():
    """tanh and a softmax are analytic, so that the complex step is exact to the last digits."""
    x, v = doubles(5, 7), doubles(5, 7, seed=1)
    first, second = doubles(6, 7, seed=2), doubles(4, 6, seed=3)

    def net(x):
        return (torch.tanh(x @ first.T) @ second.T).softmax(1)

    def reference(x):
        logits = second.numpy() @ np.tanh(first.numpy() @ x)
        return np.exp(logits) / np.exp(logits).sum()

    got = lie_derivative(net, x, v).numpy()
    expected = reference_lie_derivative(reference, x.numpy(), v.numpy())
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    got = relative_lie_derivative(net, x, v).numpy()
    expected = reference_relative_lie_derivative(reference, x.numpy(), v.numpy())
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    action = lambda y: y * y  # noqa: E731
    got = lie_derivative(net, x, v, output_tangent=action).numpy()
    expected = reference_lie_derivative(reference, x.numpy(), v.numpy(), action)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_float32_is_close_to_float64():
    x, v = doubles(5, 7), doubles(5, 7, seed=1)
    net = nn.Sequential(nn.Linear(7, 9), nn.GELU(), nn.Linear(9, 4)).double()
    exact = lie_derivative(net, x, v)
    single = lie_derivative(net.float(), x.float(), v.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_relative_has_no_unit(factor):
    """Neither the scale of the output, nor that of the pixels, nor the unit of t matter."""
    x, v, m = doubles(5, 7), doubles(5, 7, seed=1), doubles(3, 7, seed=2)
    reference = relative_lie_derivative(lambda x: (x @ m.T).tanh(), x, v)
    scaled = relative_lie_derivative(lambda x: factor * (x @ m.T).tanh() + 7, x, factor * v)
    torch.testing.assert_close(scaled, reference)
    pixels = relative_lie_derivative(lambda x: (x @ m.T / factor).tanh(), factor * x, factor * v)
    torch.testing.assert_close(pixels, reference)


def test_relative_of_the_pixels_and_of_a_rotation_of_them_is_one():
    x, v = doubles(5, 7), doubles(5, 7, seed=1)
    rotation = torch.linalg.qr(doubles(7, 7, seed=2)).Q
    torch.testing.assert_close(
        relative_lie_derivative(lambda x: x @ rotation, x, v), torch.ones(5).double()
    )


def test_what_is_undefined_is_nan():
    x, v = doubles(4, 3), doubles(4, 3, seed=1)
    v[2] = 0
    values = relative_lie_derivative(lambda x: 2 * x, x, v)
    assert values.isnan().tolist() == [False, False, True, False]
    assert lie_derivative(lambda x: 2 * x, x, v)[2] == 0
    constant = lambda x: 0 * x + 1.7  # noqa: E731
    assert relative_lie_derivative(constant, x, v).isnan().all()
    assert (lie_derivative(constant, x, v) == 0).all()
    assert relative_lie_derivative(lambda x: 2 * x, x[:1], v[:1]).isnan().all()


def test_the_derivative_of_the_probabilities():
    x, v = doubles(5, 4), doubles(5, 4, seed=1)
    expected = torch.func.jvp(lambda x: x.softmax(1), (x,), (v,))[1]
    torch.testing.assert_close(softmax_derivative(x, v), expected)


def test_attention_and_fused_layers_have_a_derivative():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).double().eval()
    x, v = doubles(2, 5, 8), doubles(2, 5, 8, seed=1)
    step = 1e-5
    with torch.no_grad():
        moved = (layer(x + step * v) - layer(x - step * v)) / (2 * step)
    torch.testing.assert_close(
        lie_derivative(layer, x, v), moved.square().mean((1, 2)), rtol=1e-6, atol=0
    )
    assert torch.backends.mha.get_fastpath_enabled()


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, *grads):
        return 2 * grads[0]


X, V = doubles(2, 3), doubles(2, 3, seed=1)


@pytest.mark.parametrize(
    ("function", "images", "tangent", "message"),
    [
        (Twice.apply, X, V, "an autograd.Function without jvp has no forward-mode derivative"),
        (lambda x: x.detach() * 2, X, V, "does not depend on the images, or is cut off"),
        (lambda x: x.argmax(1).double(), X, V, "does not depend on the images, or is cut off"),
        (lambda x: x, X, V[:, :2], r"tangent has shape \[2, 2\] but images has \[2, 3\]"),
        (lambda x: x.sum(), X, V, r"its output for images of shape \[2, 3\] is \[\]; a tensor"),
    ],
)
def test_messages(function, images, tangent, message):
    with pytest.raises(InputError, match=message) as caught:
        lie_derivative(function, images, tangent)
    assert "\n" not in str(caught.value)


def test_the_action_must_fit_the_output():
    with pytest.raises(InputError, match=r"output_tangent has shape \[2, 1\] but function has"):
        lie_derivative(lambda x: x, X, V, output_tangent=lambda y: y[:, :1])


def test_expanded_views_are_images_too():
    x, v = doubles(1, 3).expand(4, 3), doubles(1, 3, seed=1).expand(4, 3)
    values = lie_derivative(lambda x: x.square(), x, v)
    torch.testing.assert_close(values, (2 * x * v).square().mean(1))


def test_an_error_of_the_function_itself_comes_through():
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        lie_derivative(lambda x: x @ x, X, V)


@pytest.mark.parametrize("size", [1, 2, 7, 12])
def test_spread_streams_and_merges(size):
    values = doubles(12, 3, 2)
    expected = values.flatten(1).var(0).sum()
    parts = [Spread() for _ in range(2)]
    for number, batch in enumerate(values.split(size)):
        parts[number % 2].update(batch)
    parts[0].merge(parts[1])
    torch.testing.assert_close(parts[0].compute(), expected)


def test_spread_of_what_is_alike_or_not_finite():
    dust = 1.7 + 1e-8 * doubles(4, 3)
    for values, expected in ((dust, 0.0), (torch.ones(1, 3), float("nan"))):
        spread = Spread()
        spread.update(values)
        np.testing.assert_equal(spread.compute().item(), expected)
    broken = Spread()
    broken.update(torch.tensor([[1.0], [float("inf")]]))
    assert broken.compute().isnan()
    with pytest.raises(InputError, match="values: 2 per image came after 1"):
        broken.update(torch.ones(3, 2))
