"""Softmax G-EED: how much do the class probabilities of an image vary over its orbit?

    eed = mean over g of KL(p_g ‖ p̄),   p̄ = mean over g of p_g

in nats: the generalised Jensen–Shannon divergence of the orbit. 0: the same probabilities under
every element of the group, exactly 0 if they are equal to the last bit. log min(G, K): every
element gives another class, with certainty. **Lower is more invariant.**

Each term is computed as p̄·h(p_g/p̄) with h(r) = r·log r − r + 1, which is the same sum, since the
p_g average to p̄, but has no negative terms that must cancel. Probabilities of 0 contribute as in
the limit (0·log 0 = 0). Probabilities are rounded, coarsely in half precision, and underflow;
`softmax_eed_from_logits` avoids both.

Degenerate: NaN where anything is not finite (a logit of −∞ is a probability of 0).
Source: paper 003, §3.1. The author's later code clamps p̄ at 1e-12; ours needs no clamp.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least, rank
from invariscope.metrics.distances import double
from invariscope.metrics.kinds import DEVIATES, OrbitMetric, register


def softmax_eed(orbit_probabilities: Float[Tensor, "..."]) -> Float[Tensor, " image"]:
    """Softmax equivariance deviation of each image, from probabilities (paper 003, §3.1).

    Args:
        orbit_probabilities: [B, G, K], for each image the class probabilities under every element
            of the group.

    Returns:
        [B] in [0, log min(G, K)], of the dtype of the probabilities.

    Raises:
        InputError: A shape that does not fit, or numbers that are no probabilities.

    Example:
        >>> import torch
        >>> softmax_eed(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]]))
        tensor([0.6931, 0.0000])
    """
    rank("B G K", orbit_probabilities=orbit_probabilities)
    at_least(1, "group elements", dimension=1, orbit_probabilities=orbit_probabilities)
    probabilities = double(orbit_probabilities)
    _check_probabilities(probabilities)
    return _divergence(probabilities.log()).to(orbit_probabilities.dtype)


def softmax_eed_from_logits(orbit_logits: Float[Tensor, "..."]) -> Float[Tensor, " image"]:
    """Softmax equivariance deviation of each image, from logits.

    Args:
        orbit_logits: [B, G, K], for each image the logits under every element of the group.

    Returns:
        [B] in [0, log min(G, K)], of the logits' dtype.

    Raises:
        InputError: A shape that does not fit.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[120.0, 0.0], [124.0, 0.0]]])
        >>> softmax_eed_from_logits(logits.double()).item()
        2.35...e-53
        >>> softmax_eed(logits.softmax(-1)).item()  # float32 has no such probabilities
        0.0
    """
    rank("B G K", orbit_logits=orbit_logits)
    at_least(1, "group elements", dimension=1, orbit_logits=orbit_logits)
    return _divergence(double(orbit_logits).log_softmax(-1)).to(orbit_logits.dtype)


def per_element(orbit_logits: Tensor) -> Tensor:
    """KL(p_g ‖ p̄) of logits [G, N, K], element by element: [G, N] in float64."""
    return _divergences(double(orbit_logits).log_softmax(-1).transpose(0, 1)).mT


def _divergence(log_p: Tensor) -> Tensor:
    """Mean over g of KL(p_g ‖ p̄) of log-probabilities [B, G, K], [B] in float64."""
    return _divergences(log_p).mean(1)


def _divergences(log_p: Tensor) -> Tensor:
    """KL(p_g ‖ p̄) of log-probabilities [B, G, K], [B, G]."""
    top = log_p.amax(1, keepdim=True)
    top = torch.where(top == -torch.inf, 0.0, top)  # a class that is 0 for every element
    log_mean = top + (log_p - top).exp().mean(1, keepdim=True).log()
    log_ratio = log_p - log_mean
    h = log_ratio * log_ratio.exp() - log_ratio.expm1()
    h = torch.where(log_p == -torch.inf, 1.0, h)
    # no term was ever seen below 0 on a CPU, but devices differ in how exact their exp is
    return (log_mean.exp() * h).sum(-1).clamp_min(0)


def _check_probabilities(probabilities: Tensor) -> None:
    """No negative ones, and sums of 1 within what half precision does to them; NaN may pass."""
    sums = probabilities.sum(-1)
    if bool((probabilities < 0).any()) or bool(((sums - 1).abs() > 0.01).any()):
        raise InputError(
            "orbit_probabilities must be at least 0 and sum to 1 over the last dimension: "
            "for logits use softmax_eed_from_logits"
        )


SOFTMAX_EED = register(
    OrbitMetric(
        name="softmax_eed",
        label="Softmax G-EED",
        paragraph="The Kullback–Leibler divergence, in nats, of each element’s class probabilities"
        " from their mean over the group. 0: invariant; there is no upper end.",
        source="paper 003, §3.1",
        direction=DEVIATES,
        low=0.0,
        high=None,
        ends=("moves", "stays where it is"),
        at="logits",
        needs="group",
        at_identity=True,
        evaluate=lambda orbit: (per_element(orbit), None),
    )
)
