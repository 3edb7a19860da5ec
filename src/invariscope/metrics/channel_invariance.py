"""Channel invariance: does each channel answer the transformed image as if it had not been moved?

    invariance_c = S(f(T_g x)_c, acted_c),   acted = T_g f(x)

with S the Pearson correlation or the cosine of two maps (`channel_similarity`). 1: the channel
answers the transformed image with its own answer, moved along. 0: with something unrelated. −1:
with the negative. Range [−1, 1]; higher is more invariant.

Degenerate: a channel that is dead in either map (constant for pearson, zero for cosine, not finite)
is NaN. Maps of 1×1 (after pooling) are dead for pearson; correlate them over the data set instead.
Source: paper 002, eq. 4, which compares with f(x)_c, not moved along. Pass f(x) as ``acted`` for
that literal form. Only the aligned form has the property that the paper states, that equivariance
is at least invariance; the two coincide where a map has no positions. No code was published.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.channel_products import one_where, paired_correlation
from invariscope.metrics.channel_similarity import check_similarity, similarity_of, steps
from invariscope.metrics.kinds import MapMetric, register


def channel_invariance(
    acted: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    similarity: str = "pearson",
) -> Float[Tensor, "image channel"]:
    """Invariance of each channel on each image (paper 002, eq. 4, spatially aligned).

    Args:
        acted: [B, C, H, W], T_g f(x): the maps of the images, transformed as the images were.
        transformed: [B, C, H, W], f(T_g x): the maps of the transformed images.
        similarity: "pearson" or "cosine".

    Returns:
        [B, C] in [−1, 1], of the maps' dtype; NaN for channels that are dead in either map.

    Raises:
        InputError: Shapes that do not fit, an unknown similarity.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]]])
        >>> channel_invariance(maps, 2 * maps + 1).tolist()  # the second channel is constant
        [[1.0, nan]]
    """
    check_similarity(similarity)
    rank("B C H W", acted=acted, transformed=transformed)
    same_shape(acted=acted, transformed=transformed)
    return aligned(acted, transformed, similarity).to(transformed.dtype)


def aligned(acted: Tensor, transformed: Tensor, similarity: str) -> Tensor:
    """The formula for maps [B, C, H, W]: [B, C] in float64."""
    values = [similarity_of(moved, own) for own, moved in steps(acted, transformed, similarity)]
    return torch.cat(values) if values else transformed.new_empty(acted.shape[:2])


CHANNEL_INVARIANCE = register(
    MapMetric(
        name="channel_invariance",
        label="Channel invariance",
        paragraph="The correlation of each channel of the moved image’s map, f(T_g x)_c, with the"
        " same channel of the moved map, T_g f(x)_c, over the positions of each image; the mean"
        " over living channels, then over images.",
        source="paper 002, eq. 4",
        low=-1.0,
        ends=("unrelated", "the same"),
        brings=("channel_invariance:pooled", "dead_channels"),
        heat_map="beside",
        null="near 0",
        evaluate=lambda step: step.mean_pearson("invariance"),
        identity=lambda maps: one_where(maps.alive),
    )
)
CHANNEL_INVARIANCE_COSINE = register(
    replace(
        CHANNEL_INVARIANCE,
        name="channel_invariance:cosine",
        label="Channel invariance (cosine)",
        paragraph="Channel invariance with the cosine in place of the correlation.",
        brings=(),
        evaluate=lambda step: step.mean_cosine("invariance"),
        identity=lambda maps: one_where(maps.points),
    )
)
CHANNEL_INVARIANCE_LITERAL = register(
    replace(
        CHANNEL_INVARIANCE,
        name="channel_invariance:literal",
        label="Channel invariance (maps not moved)",
        paragraph="Channel invariance against the map of the image as it is, not moved.",
        brings=(),
        controls=False,
        evaluate=lambda step: paired_correlation(step.transformed, step.untouched).nanmean(1),
    )
)
