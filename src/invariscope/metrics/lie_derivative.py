"""Lie derivative: how fast does a function begin to break a symmetry?

For a one-parameter family T_t acting on images and T′_t acting on outputs,

    L f(x) = d/dt T′_{−t} f(T_t x) at t = 0  =  J_f(x) v − w(f(x)),
    v = d/dt T_t x,   w(y) = d/dt T′_t y,   both at t = 0

and the local equivariance error of an image is LEE(x) = ‖L f(x)‖² / dim, the mean over outputs of
the squares. 0: f is equivariant to small motions (invariant, where T′ is trivial and w = 0). Range
[0, ∞); **lower is more equivariant**. Unit: (unit of f)² / (unit of t)²: layers of different scale
cannot be compared by it.

The relative form can be, for it has no unit: how far the output moves, in spreads of the output,
for each spread that the pixels move,

    relative(x) = (‖L f(x)‖ / s(f)) / (‖v‖ / s(x)),   s² = mean over pairs i < j of ½ ‖f_i − f_j‖²

over the images that are given. 0: equivariant; 1: as sensitive as the pixels themselves, as all
directions are under a random rotation of the pixel space; above 1: the layer is more sensitive to
this motion than to the differences between images. Range [0, ∞), lower is more equivariant.

Degenerate: relative is NaN where the images do not change (v = 0, a uniform image), where all
images are alike to f (s = 0 within rounding), and for fewer than two images.
Source: Gruver et al. 2022, "The Lie derivative for measuring learned equivariance", §3 (LEE). Their
code takes the mean of absolute values end to end (squares in the paper), half the image as the unit
of a shift (ours: the side, so that our LEE is 4 times theirs), reflects at the border, and gets
J_f v by differentiating backwards twice; here one pass in forward mode gives it. The relative form
is ours.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.forward_mode import forward_mode, missing_formula
from invariscope.metrics.arguments import same_shape
from invariscope.metrics.distances import double
from invariscope.metrics.kinds import BREAKS, DerivativeMetric, register
from invariscope.metrics.memory import at_a_time
from invariscope.metrics.spread import Spread

Function = Callable[[Tensor], Tensor]


def lie_derivative(
    function: Function,
    images: Float[Tensor, "image ..."],
    tangent: Float[Tensor, "image ..."],
    *,
    output_tangent: Function | None = None,
) -> Float[Tensor, " image"]:
    """The local equivariance error of each image (Gruver et al. 2022, §3).

    Args:
        function: Takes a batch of images, gives one tensor with a first axis of images; each
            output depends on its own image only (a model in eval mode).
        images: [N, …].
        tangent: [N, …], v = d/dt T_t x at t = 0, for instance of
            `invariscope.transformations.Generator.tangent`.
        output_tangent: w: takes outputs y, gives d/dt T′_t y at t = 0. None: T′ is trivial, and
            the number is that of invariance.

    Returns:
        [N], ‖L f(x)‖² / dim in the function's dtype, per squared unit of t.

    Raises:
        InputError: Shapes that do not fit, an operation that has no forward-mode derivative, an
            output that does not depend on the images.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
        >>> turned = torch.stack([-x[:, 1], x[:, 0]], 1)  # d/dt of a rotation
        >>> lie_derivative(lambda x: x.square().sum(1, keepdim=True), x, turned).item()
        0.0
        >>> lie_derivative(lambda x: x, x, turned).item()  # (2² + 1²) / 2
        2.5
    """
    outputs, residual = _differentiate(function, images, tangent, output_tangent)
    size = max(1, residual[0].numel()) if len(residual) else 1
    return (squared_norm(residual) / size).to(outputs.dtype)


def relative_lie_derivative(
    function: Function,
    images: Float[Tensor, "image ..."],
    tangent: Float[Tensor, "image ..."],
    *,
    output_tangent: Function | None = None,
) -> Float[Tensor, " image"]:
    """The Lie derivative without a unit: spreads of the output per spread of the pixels.

    Args:
        function: As for `lie_derivative`.
        images: [N, …], two or more; the spreads are over these.
        tangent: [N, …], v = d/dt T_t x at t = 0.
        output_tangent: w, or None where T′ is trivial.

    Returns:
        [N] in [0, ∞); NaN in the degenerate cases at the top of this file.

    Raises:
        InputError: As for `lie_derivative`.

    Example:
        >>> import torch
        >>> x = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).double()
        >>> v = torch.ones_like(x)
        >>> relative_lie_derivative(lambda x: 3 * x, x, v)[0].item()  # as sensitive as the pixels
        1.0
    """
    outputs, residual = _differentiate(function, images, tangent, output_tangent)
    spreads = Spread(), Spread()
    for spread, values in zip(spreads, (outputs, images), strict=True):
        spread.update(values)
    ratio = relative(
        squared_norm(residual), spreads[0].compute(), squared_norm(tangent), spreads[1].compute()
    )
    return ratio.to(outputs.dtype)


def relative(output: Tensor, output_spread: Tensor, input: Tensor, input_spread: Tensor) -> Tensor:
    """The relative form from ‖L f‖² [N] and ‖v‖² [N], and the squared spreads; NaN if undefined."""
    undefined = (input == 0) | (output_spread == 0) | (input_spread == 0)
    ratio = ((output / output_spread) / (input / input_spread)).sqrt()
    return torch.where(undefined | ~ratio.isfinite(), torch.nan, ratio)


def squared_norm(values: Float[Tensor, "image ..."]) -> Float[Tensor, " image"]:
    """‖·‖² of each image, summed in float64, some images at a time."""
    flat = values.reshape(len(values), -1)
    parts = flat.split(at_a_time(flat.shape[1]))
    return torch.cat([double(part).square().sum(1) for part in parts])


def softmax_derivative(
    logits: Float[Tensor, "image element"], derivative: Float[Tensor, "image element"]
) -> Float[Tensor, "image element"]:
    """The derivative of the probabilities from that of the logits: p (l̇ − Σ p l̇).

    Example:
        >>> import torch
        >>> softmax_derivative(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).tolist()
        [[0.25, -0.25]]
    """
    probabilities = logits.softmax(1)
    return probabilities * (derivative - (probabilities * derivative).sum(1, keepdim=True))


def _differentiate(
    function: Function, images: Tensor, tangent: Tensor, output_tangent: Function | None
) -> tuple[Tensor, Tensor]:
    """f(x) and L f(x), both [N, …]."""
    same_shape(images=images, tangent=tangent)
    try:
        with forward_mode():
            # Contiguous: an expanded view has no room for a derivative per element.
            at, along = images.contiguous(), tangent.contiguous()
            pair = torch.func.jvp(function, (at,), (along,), strict=True)
    except (NotImplementedError, RuntimeError) as error:
        operation = missing_formula(error)
        if operation is not None:
            raise InputError(
                f"function: {operation} has no forward-mode derivative in torch "
                f"{torch.__version__}; a function of differentiable torch operations works"
            ) from error
        if "independent of the inputs" in str(error):
            raise InputError(
                "function: its output does not depend on the images, or is cut off from them "
                "(detach, inference_mode, argmax); a function that torch can differentiate works"
            ) from error
        raise
    outputs, derivative = pair[0], pair[1]
    if not isinstance(outputs, Tensor) or outputs.shape[:1] != images.shape[:1]:
        came = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InputError(
            f"function: its output for images of shape {list(images.shape)} is {came}; a tensor "
            "whose first axis is the images works"
        )
    if output_tangent is None:
        return outputs, derivative
    action = output_tangent(outputs)
    same_shape(function=outputs, output_tangent=action)
    return outputs, derivative - action


def mean_square(values: Tensor, derivative: Tensor) -> Tensor:
    """‖L f‖² / dim of each image of a batch."""
    return squared_norm(derivative) / derivative[0].numel()


def _of_probabilities(values: Tensor, derivative: Tensor) -> Tensor:
    return mean_square(values, softmax_derivative(values, derivative))


LIE_DERIVATIVE = register(
    DerivativeMetric(
        name="lie_derivative",
        label="Lie derivative",
        phrase="Lie derivative",
        paragraph="How fast a layer begins to break the symmetry: the mean over outputs of the"
        " squares of its derivative at level 0. 0: equivariant.",
        source="Gruver et al. (2022), §3",
        direction=BREAKS,
        low=0.0,
        high=None,
        ends=("breaks at once", "equivariant"),
        at_identity=True,
        unit="derivative",
        brings=("lie_derivative:relative", "lie_derivative:softmax"),
        squares=mean_square,
    )
)
LIE_DERIVATIVE_RELATIVE = register(
    replace(
        LIE_DERIVATIVE,
        name="lie_derivative:relative",
        label="Lie derivative (relative)",
        phrase="Lie derivative (relative)",
        paragraph="The Lie derivative in spreads of the output over images for each spread that"
        " the pixels move. It has no unit, so layers and transformations can be compared. 0:"
        " equivariant; 1: as sensitive as the pixels themselves.",
        source="",
        unit="none",
        brings=(),
        relative=relative,
    )
)
LIE_DERIVATIVE_SOFTMAX = register(
    replace(
        LIE_DERIVATIVE,
        name="lie_derivative:softmax",
        label="Lie derivative of the probabilities",
        phrase="Lie derivative of the probabilities",
        paragraph="The Lie derivative of the class probabilities, end to end. 0: invariant.",
        at="logits",
        brings=(),
        squares=_of_probabilities,
    )
)
