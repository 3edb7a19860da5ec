"""G-EED in general: how far is a function from equivariance under a finite group?

    eed(x) = mean over g of m(f(gx), g f̂(x)),   f̂(x) = mean over k in the kernel of f(kx)

The kernel holds the elements that act as the identity on the output: what f says of kx should then
be what it says of x, and f̂ averages over it. A trivial action (a vector of logits) has the whole
group as its kernel: f̂ is the centre of the orbit, and the deviation is one from invariance. A
faithful action (turning a feature map) has the identity alone: f̂ = f.

m is a deviation of two outputs: ``l2``, ‖a − b‖₂, or ``cosine``, −cos(a, b), of an image's output
taken as one vector; or any function of two batches. 0 for l2 and −1 for cosine: equivariant.
**Lower is more equivariant.** `channel_eed`, `latent_eed` and `softmax_eed` are the three forms
that paper 003 uses, with the normalisers that it gives them.

Degenerate: a zero vector has no cosine: the image is NaN.
Source: paper 003, eq. 2 and 4.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least
from invariscope.metrics.distances import between, check_distance, double, prepared

#: (number of the element, outputs [B, …]) to the moved outputs [B, …].
Act = Callable[[int, Tensor], Tensor]
#: (outputs [B, …], outputs [B, …]) to deviations [B].
Deviation = Callable[[Tensor, Tensor], Tensor]


def eed(
    orbit: Float[Tensor, "..."],
    *,
    act: Act,
    kernel: Sequence[int],
    deviation: str | Deviation = "l2",
) -> Float[Tensor, " image"]:
    """Equivariance deviation of each image (paper 003, eq. 4).

    Args:
        orbit: [B, G, …], for each image the outputs f(gx) under every element of the group.
        act: What element number g does to outputs [B, …]: g f̂(x).
        kernel: The numbers of the elements that act as the identity on the output; see
            `invariscope.transformations.kernel`.
        deviation: "l2", "cosine", or a function of two batches.

    Returns:
        [B], of the orbit's dtype.

    Raises:
        InputError: A shape that does not fit, a kernel that is empty or names no element.

    Example:
        >>> orbit = torch.tensor([[[1.0, 2.0], [2.0, 1.0]]])  # f(x), f(flipped x)
        >>> eed(orbit, act=lambda g, y: y.flip(-1) if g else y, kernel=[0]).tolist()
        [0.0]
        >>> eed(orbit, act=lambda g, y: y, kernel=[0, 1]).tolist()  # as if it should be invariant
        [0.707...]
    """
    if orbit.ndim < 3:
        raise InputError(f"orbit has shape {list(orbit.shape)}: it must be [B, G, …]")
    at_least(1, "group elements", dimension=1, orbit=orbit)
    count = orbit.shape[1]
    numbers = list(dict.fromkeys(kernel))
    if not numbers or not all(0 <= number < count for number in numbers):
        raise InputError(
            f"kernel is {list(kernel)}: it must name elements from 0 to {count - 1}, the identity "
            "among them"
        )
    measure = deviation if callable(deviation) else _named(deviation)
    still = _mean(double(orbit[:, numbers]))
    deviations = [
        measure(double(orbit[:, number]), act(number, still.to(orbit.dtype)).to(still.dtype))
        for number in range(count)
    ]
    return torch.stack(deviations).mean(0).to(orbit.dtype)


def _mean(outputs: Tensor) -> Tensor:
    """The mean over the kernel, measured from its first element so that equal ones give it."""
    return outputs[:, 0] + (outputs - outputs[:, :1]).mean(1)


def _named(deviation: str) -> Deviation:
    check_distance(deviation)

    def measure(a: Tensor, b: Tensor) -> Tensor:
        first, second = (prepared(outputs.flatten(1), deviation) for outputs in (a, b))
        apart = between(first, second, deviation)
        return apart - 1 if deviation == "cosine" else apart

    return measure
