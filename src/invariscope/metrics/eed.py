"""G-EED: the group empirical equivariance deviation of paper 003, in its three forms.

- `channel_eed` (eq. 5): −mean over channels of cos( f(gx)_c , (g f(x))_c ). −1: every channel of
  the transformed image is the moved channel; 0: unrelated. Lower is more equivariant.
- `latent_eed` (eq. 6): mean over g of m( z_g , mean of the orbit ) / M, with m the l2 distance, or
  −cos. M makes layers and models comparable: the mean of the l2 distance (or cosine) over pairs of
  different images, `latent_normalizer`. l2: 0 is invariant, higher is less. Cosine: −1/M is
  invariant, as in the paper.
- `softmax_eed`: mean over g of KL( p_g ‖ mean of the orbit ), in nats. 0 is invariant; at most
  log G.

f̂, to which the orbit is compared, is the mean over the kernel of the action on the output: the
whole orbit where the output should not move (latent, softmax), the image itself where the group
acts faithfully (channels). Degenerate: dead channels are left out of the mean over channels (NaN
if none is alive); a normaliser near 0 is an error, for the quotient would mean nothing. Source:
paper 003, §3.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least_two, rank, same_shape
from invariscope.metrics.channel_similarity import channel_invariance
from invariscope.metrics.distances import all_pairs, check_distance, double, prepared

SMALLEST_NORMALIZER = 1e-6


def channel_eed(
    acted: Float[Tensor, "..."], transformed: Float[Tensor, "..."]
) -> Float[Tensor, " image"]:
    """Channelwise deviation of each image (paper 003, eq. 5).

    Args:
        acted: [B, C, H, W], g f(x); channels already permuted where the action permutes them.
        transformed: [B, C, H, W], f(gx).

    Returns:
        [B] in [−1, 1], of the maps' dtype; NaN where no channel is alive.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> maps = torch.rand(2, 3, 4, 4)
        >>> torch.allclose(channel_eed(maps, maps), -torch.ones(2))
        True
    """
    return -channel_invariance(acted, transformed, similarity="cosine").nanmean(-1)


def latent_normalizer(
    embeddings: Float[Tensor, "..."], *, distance: str = "l2"
) -> Float[Tensor, ""]:
    """M of eq. 6: the mean l2 distance (or cosine) over pairs of different images.

    Args:
        embeddings: [N, D], of untransformed images.
        distance: "l2", or "cosine" for the mean cosine similarity.

    Raises:
        InputError: Fewer than two images, an unknown distance.

    Example:
        >>> latent_normalizer(torch.tensor([[0.0, 0.0], [3.0, 4.0]])).item()
        5.0
    """
    check_distance(distance)
    rank("N D", embeddings=embeddings)
    at_least_two("embeddings", embeddings)
    count = len(embeddings)
    z = prepared(embeddings, "l2" if distance == "l2" else "cosine")
    if distance == "cosine":
        total = z.sum(0).square().sum() - z.square().sum()  # Σ over i ≠ j in closed form
    else:
        total = all_pairs(z, z, "l2").sum()
    return (total / (count * (count - 1))).to(embeddings.dtype)


def latent_eed(
    orbit: Float[Tensor, "..."],
    *,
    normalizer: float | Float[Tensor, ""],
    distance: str = "l2",
) -> Float[Tensor, " image"]:
    """Latent deviation of each image (paper 003, eq. 6).

    Args:
        orbit: [B, G, D], embeddings of the images under every element of the group.
        normalizer: M, from `latent_normalizer` over untransformed images.
        distance: "l2", or "cosine" for m = −cos.

    Returns:
        [B], of the orbit's dtype; l2: [0, ∞). NaN (cosine) where an embedding or the mean is zero.

    Raises:
        InputError: A shape that does not fit, an unknown distance, a normaliser within 1e-6 of 0,
            or a negative one for l2.

    Example:
        >>> latent_eed(torch.ones(2, 4, 3), normalizer=5.0).tolist()
        [0.0, 0.0]
    """
    check_distance(distance)
    rank("B G D", orbit=orbit)
    scale = float(normalizer)
    if not math.isfinite(scale) or abs(scale) < SMALLEST_NORMALIZER:
        raise InputError(f"normalizer is {scale:g}: it must be finite and at least 1e-6 from 0")
    if distance == "l2" and scale < 0:
        raise InputError(f"normalizer is {scale:g}: a mean distance is not negative")
    z = double(orbit)
    centre = z.mean(1, keepdim=True)
    if distance == "l2":
        # The mean of equal numbers may differ from them by rounding; an orbit that does not vary
        # has a deviation of exactly 0.
        still = (z == z[:, :1]).all(2).all(1)
        deviation = torch.where(still[:, None], 0, (z - centre).norm(dim=-1))
    else:
        cosine = (z * centre).sum(-1) / (z.norm(dim=-1) * centre.norm(dim=-1))
        deviation = -cosine.clamp(-1, 1)
    return (deviation.mean(1) / scale).to(orbit.dtype)


def softmax_eed(orbit_probabilities: Float[Tensor, "..."]) -> Float[Tensor, " image"]:
    """Deviation of the predicted probabilities of each image (paper 003).

    Args:
        orbit_probabilities: [B, G, K], probabilities under every element of the group.

    Returns:
        [B] in [0, log G] nats, of the input's dtype.

    Raises:
        InputError: A shape that does not fit, negative numbers, rows that do not sum to 1 (±1e-3).

    Example:
        >>> p = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> round(softmax_eed(p).item(), 4)  # log 2
        0.6931
    """
    rank("B G K", orbit_probabilities=orbit_probabilities)
    p = double(orbit_probabilities)
    if bool((p < 0).any()) or bool(((p.sum(-1) - 1).abs() > 1e-3).any()):
        raise InputError(
            "orbit_probabilities must be probabilities: at least 0, and 1 in sum over the last "
            "axis; for logits use softmax_eed_from_logits"
        )
    return _divergence(p.log()).to(orbit_probabilities.dtype)


def softmax_eed_from_logits(orbit_logits: Float[Tensor, "..."]) -> Float[Tensor, " image"]:
    """The same from logits [B, G, K], in the log domain: no probability underflows.

    Example:
        >>> logits = torch.tensor([[[2000.0, 0.0], [0.0, 2000.0]]])
        >>> round(softmax_eed_from_logits(logits).item(), 4)
        0.6931
    """
    rank("B G K", orbit_logits=orbit_logits)
    return _divergence(double(orbit_logits).log_softmax(-1)).to(orbit_logits.dtype)


def _divergence(log_p: Tensor) -> Tensor:
    """Mean over g of KL(p_g ‖ mean p) [B], from log-probabilities [B, G, K]."""
    same_shape(log_p=log_p)
    log_mean = log_p.logsumexp(1, keepdim=True) - math.log(log_p.shape[1])
    p = log_p.exp()
    terms = torch.where(p > 0, p * (log_p - log_mean), 0)  # 0 · log 0 is 0
    still = (log_p == log_p[:, :1]).all(2).all(1)
    return torch.where(still, 0, terms.sum(-1).mean(1).clamp(min=0))
