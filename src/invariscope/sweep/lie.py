"""Lie derivatives of every watched layer: how fast each begins to break each symmetry.

A transformation that has a generator (rotate, shear, translate, zoom, brightness, contrast,
saturation, sharpness) is measured once per image at the identity, where its levels begin: no finite
step, no interpolation error, and the direction does not matter. Cells of equal generator are one
("d(scale)" for zoom in and out).

At a feature map the number is that of equivariance: T′ is the same motion on the map's own grid,
with the border of the transformation. At vectors (embedding, logits), and at every layer for
changes of appearance, T′ is trivial and the number is that of invariance.

`invariscope.metrics.lie_derivative` has the numbers: Gruver's LEE, ‖L f‖² / dim, per squared unit
of the generator (per radian² for rotate and shear, per side² for translate, per factor² for the
others); the same in spreads over the images of the block, without a unit; and, at the logits, LEE
of the probabilities, Gruver's end-to-end number.

Lower is more equivariant (invariant). The cost is about 3 to 5 forward passes per
image and cell. The column ``unit`` of the summary states the unit of these numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import RunError
from invariscope.metrics import DerivativeMetric, Spread
from invariscope.metrics.kinds import Squares
from invariscope.metrics.lie_derivative import mean_square
from invariscope.models import LOGITS, Activation, FeatureMap, Probe, differentiate
from invariscope.runs.batches import shape_changed
from invariscope.transformations import Generator, Resampling, Transformation, generator_of

#: Forward passes that one derivative of one image costs, about.
LIE_PASSES = 4


@dataclass(frozen=True)
class LieCell:
    """The derivative of a transformation at the identity.

    Args:
        key: As it stands in the rows: "d(rotate)", with what differs from the plain resampling.
        generator: What acts.
        resampling: Border, fill and centre.
    """

    key: str
    generator: Generator
    resampling: Resampling

    def as_dict(self) -> dict[str, str]:
        """As it stands in the manifest: the key, and the unit of the squares.

        Example:
            >>> from invariscope.transformations import get_transformation
            >>> lie_cell(get_transformation("rotate")).as_dict()["derivative_unit"]
            'per radian²'
        """
        return {"derivative_cell": self.key, "derivative_unit": f"per {self.generator.unit}²"}


@dataclass(frozen=True)
class LieValues:
    """One metric of one layer for one cell: [N] float64, NaN where it is undefined."""

    cell: str
    layer: str
    metric: str
    values: Float[Tensor, " image"]


def lie_cell(transformation: Transformation) -> LieCell | None:
    """The cell of a transformation; None if it has no generator.

    Example:
        >>> from invariscope.transformations import get_transformations
        >>> [lie_cell(t).key for t in get_transformations("rotate,zoom_in,zoom_out")]
        ['d(rotate)', 'd(scale)', 'd(scale)']
    """
    generator = generator_of(transformation)
    if generator is None:
        return None
    full = transformation.resampling
    plain = Resampling(border=full.border, fill=full.fill, centre=full.centre)  # never interpolates
    if generator.kind == "appearance":
        plain = Resampling()
    suffix = "" if plain == Resampling() else f" ({plain.border}, {plain.fill:.3g}, {plain.centre})"
    return LieCell(f"d({generator.name}){suffix}", generator, plain)


def lie_cells(transformations: Sequence[Transformation]) -> tuple[LieCell, ...]:
    """The distinct cells of some transformations, in their order."""
    cells = [cell for item in transformations if (cell := lie_cell(item)) is not None]
    return tuple({cell.key: cell for cell in cells}.values())


def lie_values(
    probe: Probe,
    images: Float[Tensor, "image band height width"],
    layers: Sequence[str],
    cells: Sequence[LieCell],
    metrics: Sequence[DerivativeMetric],
    *,
    batch_size: int = 8,
    advance: Callable[[int], None] = lambda passes: None,
) -> Iterator[LieValues]:
    """The Lie derivatives of a block of images.

    Args:
        probe: The model.
        images: Float in [0, 1] at the input resolution, two or more; the spreads of the relative
            form are over these, so the numbers belong to the block and not to the batches.
        layers: Names from `Probe.watch`.
        cells: Of `lie_cells`.
        metrics: What is measured of each.
        batch_size: Images per pass; halved when the device runs out of memory.
        advance: Told how many forward passes of an image each batch was worth.

    Yields:
        For each cell and layer, the metrics that are measured there.

    Raises:
        InputError: The model cannot be differentiated in forward mode.
        RunError: The model fails, or not even one image fits into memory.

    Example:
        >>> from invariscope.metrics.lie_derivative import LIE_DERIVATIVE
        >>> from invariscope.models import load_model
        >>> from invariscope.transformations import get_transformation
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
        >>> images = torch.rand(2, 3, 8, 8)
        >>> cells, metrics = lie_cells([get_transformation("rotate")]), [LIE_DERIVATIVE]
        >>> [v.metric for v in lie_values(load_model(model), images, ["0"], cells, metrics)]
        ['lie_derivative']
    """
    seen = 0
    while True:
        try:
            measured = _Measured(probe, layers, cells, metrics)
            for start in range(0, len(images), batch_size):
                measured.add(images[start : start + batch_size])
                stop = min(start + batch_size, len(images))
                advance(LIE_PASSES * len(cells) * max(0, stop - seen))  # not twice
                seen = max(seen, stop)
            break
        except torch.OutOfMemoryError as problem:
            if batch_size == 1:
                size = f"{images.shape[-1]}×{images.shape[-2]}"
                raise RunError(
                    f"{probe.spec} runs out of memory in forward mode with a single image of "
                    f"{size}: use a larger device or smaller images"
                ) from problem
            batch_size = max(1, batch_size // 2)
    yield from measured.values()


class _Measured:
    """Squares per image of each cell and layer, and the spreads of each layer."""

    def __init__(
        self,
        probe: Probe,
        layers: Sequence[str],
        cells: Sequence[LieCell],
        metrics: Sequence[DerivativeMetric],
    ):
        self._probe, self._layers, self._cells = probe, layers, cells
        self._metrics = {
            layer: [metric for metric in metrics if metric.at == "layers" or layer == LOGITS]
            for layer in layers
        }
        self._squares: dict[tuple[str, str, Squares], list[Tensor]] = {}
        self._spreads: dict[str, Spread] = {}
        self._sizes: dict[str, int] = {}

    def add(self, images: Tensor) -> None:
        """Measures a batch."""
        images = images.to(self._probe.device)
        self._spread(_PIXELS, images)
        for number, cell in enumerate(self._cells):
            tangents = cell.generator.tangent(images, cell.resampling)
            self._keep(cell, _PIXELS, mean_square, images, tangents)

            def reduce(
                layer: str,
                activation: Activation,
                derivative: Tensor,
                cell: LieCell = cell,
                first: bool = number == 0,
            ) -> None:
                if first:
                    self._spread(layer, activation.values)
                moved = derivative
                if isinstance(activation, FeatureMap):
                    size = (images.shape[-2], images.shape[-1])
                    action = cell.generator.on_maps(activation.values, size, cell.resampling)
                    moved = derivative - action
                for squares in {metric.squares for metric in self._metrics[layer]}:
                    self._keep(cell, layer, squares, activation.values, moved)

            differentiate(self._probe, images, tangents, self._layers, reduce)

    def values(self) -> Iterator[LieValues]:
        """Yields what was measured, cell by cell."""
        spreads = {  # beside the squares, which lie on the CPU
            layer: spread.compute().cpu() / self._sizes[layer]
            for layer, spread in self._spreads.items()
        }
        for cell in self._cells:
            pixels = torch.cat(self._squares[cell.key, _PIXELS, mean_square])
            for layer in self._layers:
                for metric in self._metrics[layer]:
                    values = torch.cat(self._squares[cell.key, layer, metric.squares])
                    if metric.relative is not None:
                        values = metric.relative(values, spreads[layer], pixels, spreads[_PIXELS])
                    values = torch.where(values.isfinite(), values, torch.nan)
                    yield LieValues(cell.key, layer, metric.name, values)

    def _spread(self, layer: str, values: Tensor) -> None:
        size = values[0].numel()
        first = self._sizes.setdefault(layer, size)
        if size != first:
            raise shape_changed(self._probe, layer, (first,), (size,))
        self._spreads.setdefault(layer, Spread()).update(values)

    def _keep(
        self, cell: LieCell, layer: str, squares: Squares, values: Tensor, derivative: Tensor
    ) -> None:
        """Takes the squares of a batch; metrics that are made of the same ones share them."""
        key = (cell.key, layer, squares)
        self._squares.setdefault(key, []).append(squares(values, derivative).cpu())


#: The images themselves, beside the layers.
_PIXELS = ""
