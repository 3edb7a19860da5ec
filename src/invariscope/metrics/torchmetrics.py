"""Metrics as `torchmetrics.Metric`: for loops that update by batch and merge over processes.

| class | what one update takes | value |
|---|---|---|
| `RelativeInvariance` | embeddings of a batch and of the transformed batch | mean over images |
| `MeanRelativeInvariance` | the same | one ratio over all pairs of images |
| `PredictionConsistency` | logits of both | share of images that keep their answer |
| `ChannelEquivariance` | maps T_g f(x) and f(T_g x) | mean over living channels, then images |
| `LatentEED` | orbits of embeddings | mean over images |

Each is the function of the same name in `invariscope.metrics` on all images together, whatever the
batches, the processes and the order in which they are merged. **The exception is
`RelativeInvariance`:** its baseline is another image, and an update knows the images of its batch
alone. Image i is paired with the next one of its batch, the last with the first (a derangement, as
in the blocks of 32 of a sweep). So it is `relative_invariance` with the batches' pairings one after
the other; another batch size pairs other images, which changes single values and, but for chance,
not the mean. A batch of one image has no other: that image is undefined. `MeanRelativeInvariance`
pairs all images with all others and does not depend on batches.

Images whose value is undefined (NaN, infinite) are left out and counted in ``undefined``. Sums are
float64 and counts int64, so that a million images lose no digits; a metric whose states were
converted (``.to(dtype)``, ``set_dtype``) says so instead of going on with fewer digits.

Needs the extra ``torchmetrics``. ``full_state_update`` is False: `forward` computes a batch's
value from its own states, and `merge_state` works.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least, rank, same_shape
from invariscope.metrics.channel_equivariance import channel_equivariance
from invariscope.metrics.channel_similarity import check_similarity
from invariscope.metrics.dead import resolution
from invariscope.metrics.distances import all_pairs, between, check_distance, double, prepared
from invariscope.metrics.latent_eed import (
    SMALLEST_COSINE,
    deviations,
    latent_eed,
    latent_normalizer,
)
from invariscope.metrics.mean_relative_invariance import ratio_to_pairs
from invariscope.metrics.prediction_consistency import prediction_consistency
from invariscope.metrics.relative_invariance import relative_invariance

try:
    from torchmetrics import Metric
except ImportError as error:
    raise ImportError(
        "invariscope.metrics.torchmetrics needs its package: "
        "pip install 'invariscope[torchmetrics]'"
    ) from error


class _OverImages(Metric):
    """Adds up one value per image."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    total: Tensor
    count: Tensor
    undefined: Tensor

    def __init__(self, **how):
        super().__init__(**how)
        # What torchmetrics makes for a process that saw no image has this dtype, too.
        self.set_dtype(torch.float64)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        for name in ("count", "undefined"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def _add(self, values: Tensor) -> None:
        """Adds values [N]; those that are not finite are counted."""
        self._check_states()
        defined = values.isfinite()
        self.total = self.total + double(values[defined]).sum().to(self.total.device)
        self._count(defined)

    def _count(self, defined: Tensor) -> None:
        number = defined.sum().to(self.count.device)
        self.count = self.count + number
        self.undefined = self.undefined + len(defined) - number

    def compute(self) -> Tensor:
        """The mean over the images that have a value, a float64 scalar; NaN if there is none."""
        self._check_states()
        return self.total / self.count

    def _check_states(self) -> None:
        if self.total.dtype != torch.float64 or self.count.dtype != torch.int64:
            raise InputError(
                f"the sums of {type(self).__name__} were converted to {self.total.dtype}, which "
                "loses digits: make the metric anew and move it by `.to(device)`, without a dtype"
            )


class RelativeInvariance(_OverImages):
    """Relative invariance; image i is paired with the next image of its batch.

    Args:
        distance: "cosine" or "l2".
        how: What `torchmetrics.Metric` takes.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> metric = RelativeInvariance()
        >>> metric.update(z, z)
        >>> metric.compute().item(), int(metric.count)
        (1.0, 3)
    """

    def __init__(self, distance: str = "cosine", **how):
        super().__init__(**how)
        check_distance(distance)
        self.distance = distance

    def update(self, embeddings: Float[Tensor, "..."], transformed: Float[Tensor, "..."]) -> None:
        """Adds a batch of embeddings [N, D], and of its transformed images, in the same order.

        Raises:
            InputError: Shapes that do not fit.
        """
        rank("N D", embeddings=embeddings, transformed=transformed)
        same_shape(embeddings=embeddings, transformed=transformed)
        if len(embeddings) < 2:
            self._add(torch.full((len(embeddings),), torch.nan))
            return
        pairing = torch.arange(len(embeddings), device=embeddings.device).roll(-1)
        values = relative_invariance(
            double(embeddings), double(transformed), pairing=pairing, distance=self.distance
        )
        self._add(values)


class PredictionConsistency(_OverImages):
    """The share of images that keep their answer.

    Example:
        >>> metric = PredictionConsistency()
        >>> metric.update(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[3.0, 1.0]] * 2))
        >>> metric.compute().item()
        0.5
    """

    def update(self, logits: Float[Tensor, "..."], transformed: Float[Tensor, "..."]) -> None:
        """Adds a batch of logits [N, K], and of its transformed images.

        Raises:
            InputError: Shapes that do not fit.
        """
        self._add(prediction_consistency(logits.float(), transformed.float()))


class ChannelEquivariance(_OverImages):
    """Channel equivariance: the mean over the living channels of an image, then over images.

    A maximum over channels is above 0 by chance: read it beside the value for other images' maps
    (``update(acted, transformed.roll(1, 0))`` of a second metric).

    Args:
        similarity: "pearson" or "cosine".
        how: What `torchmetrics.Metric` takes.

    Example:
        >>> maps = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> metric = ChannelEquivariance()
        >>> metric.update(maps, maps.roll(1, dims=1))
        >>> metric.compute().item()
        1.0
    """

    def __init__(self, similarity: str = "pearson", **how):
        super().__init__(**how)
        check_similarity(similarity)
        self.similarity = similarity

    def update(self, acted: Float[Tensor, "..."], transformed: Float[Tensor, "..."]) -> None:
        """Adds maps [B, C, H, W]: T_g f(x), the maps moved, and f(T_g x), those of moved images.

        Raises:
            InputError: Shapes that do not fit.
        """
        values = channel_equivariance(acted, transformed, similarity=self.similarity)
        self._add(double(values).nanmean(1))


class _OverPairs(_OverImages):
    """Holds what a number over pairs of images needs besides.

    For the cosine distance that is the sum of all unit vectors, and ``alike``, which pairs of an
    image with itself add to the product of sums; for "l2", all vectors. They lie in one row, since
    processes that saw no image cannot know how long a vector is; ``width`` says it.
    """

    vectors: list[Tensor] | Tensor
    width: Tensor
    alike: Tensor

    def __init__(self, distance: str, **how):
        super().__init__(**how)
        check_distance(distance)
        self.distance = distance
        self.add_state("vectors", [], dist_reduce_fx="cat")
        self.add_state("width", torch.zeros((), dtype=torch.int64), dist_reduce_fx="max")
        self.add_state("alike", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def _keep(self, vectors: Tensor, alike: Tensor, of: int = 1) -> None:
        """Keeps rows [N, D] of one embedding or two, or their sum and that of the products."""
        width = vectors.shape[1]
        if int(self.width) not in (0, width):
            raise InputError(
                f"embeddings have {width // of} elements and had {int(self.width) // of} before: "
                "all batches must be of one layer"
            )
        self.width = torch.full_like(self.width, width)
        if self.distance == "cosine":
            self.alike = self.alike + alike.sum()
            vectors = vectors.sum(0)
        kept = vectors.reshape(-1).to(self.total.device, torch.float64)
        self.vectors = [*self._parts(), kept]
        if self.distance == "cosine":
            self.vectors = [torch.stack(self.vectors).sum(0)]

    def _parts(self) -> list[Tensor]:
        return [self.vectors] if isinstance(self.vectors, Tensor) else list(self.vectors)

    def _kept(self) -> Tensor:
        """All that was kept, [N, D] in float64."""
        empty = torch.zeros(0, dtype=torch.float64, device=self.total.device)
        return torch.cat([empty, *self._parts()]).reshape(-1, max(1, int(self.width)))


class MeanRelativeInvariance(_OverPairs):
    """Mean relative invariance: 1 − mean own distance / mean distance of all pairs of images.

    The cosine distance needs two vectors, however many images there are. For "l2" every embedding
    is kept, in float64.

    Args:
        distance: "cosine" or "l2".
        how: What `torchmetrics.Metric` takes.

    Example:
        >>> z = torch.eye(3)
        >>> metric = MeanRelativeInvariance()
        >>> for image in z.split(1):
        ...     metric.update(image, 2 * image)
        >>> metric.compute().item()
        1.0
    """

    def __init__(self, distance: str = "cosine", **how):
        super().__init__(distance, **how)

    def update(self, embeddings: Float[Tensor, "..."], transformed: Float[Tensor, "..."]) -> None:
        """Adds a batch of embeddings [N, D], and of its transformed images, in the same order.

        Raises:
            InputError: Shapes that do not fit.
        """
        rank("N D", embeddings=embeddings, transformed=transformed)
        same_shape(embeddings=embeddings, transformed=transformed)
        z, moved = (prepared(part, self.distance) for part in (embeddings, transformed))
        own = between(z, moved, self.distance)
        self._add(own)
        defined = own.isfinite()
        self._keep(torch.cat([z, moved], 1)[defined], (z * moved)[defined], of=2)

    def compute(self) -> Tensor:
        """The value over all images, a float64 scalar; NaN for fewer than two."""
        own, count = super().compute(), int(self.count)
        if count < 2:
            return torch.full_like(own, torch.nan)
        z, moved = self._kept().chunk(2, 1)
        if self.distance == "cosine":
            others = (z.sum(0) @ moved.sum(0) - self.alike) / (count * (count - 1))
            return ratio_to_pairs(own, 1 - others)
        apart = sum((all_pairs(part, moved, "l2").sum() for part in z.split(256)), self.total * 0)
        return ratio_to_pairs(own, (apart - self.total) / (count * (count - 1)))


class LatentEED(_OverPairs):
    """Latent G-EED: the spread of an image's orbit, in units of the distance between images.

    **Lower is more invariant.** With a normaliser, nothing but sums is kept. Without one, M is over
    all pairs of images that were added (`latent_normalizer`): for "l2" their first embeddings, in
    float64, are kept for that.

    Args:
        normalizer: M, one number; None computes it from all images, taking the first element of
            each orbit (the identity).
        distance: "l2" or "cosine".
        how: What `torchmetrics.Metric` takes.

    Example:
        >>> orbit = torch.tensor([[[0.0, 1.0], [0.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]])
        >>> metric = LatentEED(normalizer=2.0)
        >>> metric.update(orbit)
        >>> metric.compute().item()
        0.25
    """

    higher_is_better = False

    def __init__(self, normalizer: float | None = None, distance: str = "l2", **how):
        super().__init__(distance, **how)
        self.normalizer = normalizer

    def update(self, orbit: Float[Tensor, "..."]) -> None:
        """Adds orbits [B, G, D]: for each image the embeddings under all elements of the group.

        Raises:
            InputError: A shape that does not fit.
        """
        rank("B G D", orbit=orbit)
        at_least(1, "group elements", dimension=1, orbit=orbit)
        if self.normalizer is not None:
            scale = float(self.normalizer)
            self._add(latent_eed(double(orbit), normalizer=scale, distance=self.distance))
            return
        values = deviations(double(orbit), self.distance)
        self._add(values)
        first = prepared(orbit[:, 0], self.distance)[values.isfinite()]
        self._keep(first, first.square())

    def compute(self) -> Tensor:
        """The mean over the images that have a value, a float64 scalar; NaN without a usable M."""
        mean, count = super().compute(), int(self.count)
        if self.normalizer is not None:
            return mean
        if count < 2:
            return torch.full_like(mean, torch.nan)
        if self.distance == "cosine":
            scale = (self._kept().sum(0).square().sum() - self.alike) / (count * (count - 1))
            return torch.where(scale >= SMALLEST_COSINE, mean / scale, torch.nan)
        scale = latent_normalizer(self._kept())
        rounding = resolution(torch.float32) * self._kept().norm(dim=1).max()
        return torch.where(
            self.total == 0, 0.0, mean / torch.where(scale > rounding, scale, torch.nan)
        )
