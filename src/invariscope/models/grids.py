"""The probe of the input: is a layer's output a feature map, and in which order are its cells?

A made-up picture is shown to the model, and eight copies in each of which a band of it is replaced
by another picture: four bands of rows, which overlap and fade into one another, and four of
columns. What a cell of a layer sees at its place changes most under the bands that cover this
place. So the middle of the bands, weighted with the change that each brings about in the cell,
says where in the picture the cell looks: its *source*, from 0 (top, left) to 1 (bottom, right).

A reading of the tensor (`invariscope.models.readings`) says which row and column each cell is. It
is **shown** if over all cells the source's height goes with the row and its width with the column
(correlation r):

- both r are at least 0.2, and more than chance would give (N/2 · ln 1/(1-r²) >= 4 for N cells);
- what the row does not explain of the height is less than a cell or a tenth of the picture, so
  that cells which clearly look elsewhere refute a reading, whatever the others do; cells that
  see the whole picture (attention, deep layers) have sources near its middle and refute nothing;
- no other reading is as good (by a likelihood ratio of exp(8)).

Queries of a decoder, encodings of positions and cells in an order that no reading knows are not
shown. A grid of one cell needs no proof. All of it is deterministic; no generator is moved.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.models.activations import Layout, tensor_of
from invariscope.models.readings import Cells, axes_of, other_readings, plain_readings

BANDS = 4
LOOKS = 4
_LEAST_CORRELATION = 0.2
_LEAST_EVIDENCE = 4.0
_MARGIN = 8.0
_TOLERANCE = 0.1
# So good that a reading of other axes or in another order cannot be as good.
_CLEAR = 0.9
_LEAST_CHANGE = 1e-6
_SMALL = 1e-25
# What a cell that sees nothing counts against a reading.
_DEAD = 4.0
# Orders other than row by row need a grid that chance does not fit.
_LEAST_CELLS = 16


def band_pictures(
    channels: int, height: int, width: int, look: int = 0
) -> Float[Tensor, "9 channel h w"]:
    """The picture and its copies: none replaced, four bands of rows, four bands of columns.

    Args:
        channels: Number of channels.
        height: Height in pixels.
        width: Width in pixels.
        look: Which of many pairs of pictures to take.

    Example:
        >>> pictures = band_pictures(3, 32, 48)
        >>> changed = (pictures[1:] - pictures[0]).abs().sum(1)
        >>> changed[0].sum(1).argmax() < 11, changed[7].sum(0).argmax() > 32
        (tensor(True), tensor(True))
    """
    picture, other = (_texture(channels, height, width, 2 * look + n) for n in (1, 2))
    rows = _bands(height)[:, None, :, None]
    columns = _bands(width)[:, None, None, :]
    difference = (other - picture)[None]
    return torch.cat([picture[None], picture + rows * difference, picture + columns * difference])


def _bands(length: int) -> Float[Tensor, "band pixel"]:
    """How far each pixel of a side belongs to each band; the bands sum to one."""
    middles = torch.linspace(0, 1, BANDS)[:, None]
    return (1 - (torch.linspace(0, 1, length)[None] - middles).abs() * (BANDS - 1)).clamp(min=0)


def _texture(channels: int, height: int, width: int, seed: int) -> Float[Tensor, "channel h w"]:
    """Structure at every scale, the coarse ones strongest, as in photographs; in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    found, power, strength, cells = torch.zeros(channels, height, width), 0.0, 1.0, 2
    while cells <= max(height, width):
        shape = (cells + 1, cells + 1)
        grey = torch.randn(1, 1, *shape, generator=generator)
        colour = torch.randn(1, channels, *shape, generator=generator)
        noise = 0.8 * grey + 0.6 * colour
        size = (height, width)
        smooth = functional.interpolate(noise, size, mode="bilinear", align_corners=True)
        found += strength * smooth[0]
        power += strength**2
        strength, cells = 0.75 * strength, 2 * cells
    return (0.5 + 0.2 * found / math.sqrt(max(power, 1.0))).clamp(0, 1)


@dataclass(frozen=True)
class Guess:
    """A layer before the probe.

    Args:
        layout: What the shape of its output suggests.
        shape: That shape, in a dry run with another number of images than `band_pictures`.
    """

    layout: Layout
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Finding:
    """What the probe says of one layer.

    Args:
        layout: How it is to be read: a map that is shown, or a vector; None where its first axes
            do not count the images.
        refuted: Whether its cells look elsewhere, or at nothing: then nothing else can show them.
    """

    layout: Layout | None
    refuted: bool = False


def shown_layouts(
    run: Callable[[Tensor], Any],
    module: nn.Module,
    look_at: Callable[[int], Float[Tensor, "9 channel h w"]],
    layers: Mapping[str, Guess],
    known: Mapping[str, Layout | None],
) -> dict[str, Layout | None]:
    """How each of these layers is to be read, from one pass of the model if it is clear.

    Layers that are neither shown nor refuted are looked at again with other pictures, up to three
    times. Where the model cannot take nine images at once, a look is eight passes of two.

    Args:
        run: Calls the model on prepared images.
        module: The model.
        look_at: The `band_pictures` of a look after the model's own normalisation.
        layers: The layers, by the dotted names of their modules.
        known: What has been found of other layers before.

    Returns:
        A layout for each: of a map that is shown, or of a vector; None for what is not one value
        set per image.
    """
    classes = {name: type(module.get_submodule(name)) for name in (*layers, *known)}
    watched = {name: _Changes(guess) for name, guess in layers.items()}
    layouts: dict[str, Layout | None] = {}
    at_once = True
    for look in range(LOOKS):
        if not watched:
            break
        pictures = look_at(look)
        with _quiet(pictures.device):
            at_once = at_once and _look(run, module, [pictures], watched)
            if not at_once:
                pairs = [pictures[[0, place]] for place in range(1, len(pictures))]
                _look(run, module, pairs, watched)
        found = {name: changes.finding for name, changes in watched.items()}
        layouts |= _with_siblings(found, layers, classes, {**known, **layouts})
        watched = {
            name: changes
            for name, changes in watched.items()
            if not (layout := layouts[name]) or not layout.shown
            if changes.unclear
        }
    return {name: layouts[name] for name in layers}


@contextmanager
def _quiet(device: torch.device) -> Iterator[None]:
    """Keeps the random generators where they are, without gradients."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(0)
        yield


def _look(
    run: Callable[[Tensor], Any],
    module: nn.Module,
    batches: Sequence[Tensor],
    watched: Mapping[str, "_Changes"],
) -> bool:
    """Runs the batches with hooks on the layers; whether the model takes them."""
    handles = [
        module.get_submodule(name).register_forward_hook(partial(_hook, changes))
        for name, changes in watched.items()
    ]
    size = (int(batches[0].shape[-2]), int(batches[0].shape[-1]))
    try:
        for changes in watched.values():
            changes.begin(size, len(batches[0]))
        for batch in batches:
            run(batch)
            for changes in watched.values():
                changes.end_pass()
        for changes in watched.values():
            changes.end()
    except Exception:  # whatever a model raises: passes of two, or nothing is shown
        return False
    finally:
        for handle in handles:
            handle.remove()
    return True


def _hook(changes: "_Changes", module: nn.Module, args: Any, output: Any) -> None:
    changes.see(tensor_of(output))


class _Changes:
    """How much each place of one layer's output changes under each band, over all looks.

    Only sums of squares along the axes that may count cells are kept.
    """

    def __init__(self, guess: Guess):
        self._guess = guess
        self.finding = Finding(guess.layout.unshown())
        self._total: dict[tuple[int, ...], Tensor] = {}
        self._now: Tensor | None = None

    @property
    def unclear(self) -> bool:
        """Whether another look may show what this one did not."""
        return bool(self._total) and not self.finding.refuted

    def begin(self, size: tuple[int, int], images: int) -> None:
        """A look begins, in passes of so many images."""
        self._size, self._images = size, images
        self._passes: list[dict[tuple[int, ...], Tensor]] = []
        self._squares: dict[tuple[int, ...], Tensor] = {}

    def see(self, output: Tensor | None) -> None:
        """Takes an output while it is there; the last call of the pass counts."""
        tensor = None if output is None else self._images_first(output)
        self._squares = {}
        if tensor is None or tensor.ndim < 3:
            self.finding = Finding(None if tensor is None else Layout("vector"))
            return
        self._shape = tuple(tensor.shape)
        self._now = _squares(tensor)
        if self._images > 2 and not self._total:
            # Here, so that the other axes are added up only where the first do not show a map.
            self.finding = decide(self._change_now, self._shape, self._guess.layout, self._size)
        else:
            for axes in axes_of(self._shape, first_axes(self._guess.layout)):
                self._change_now(axes)
        self._now = None

    def _change_now(self, axes: tuple[int, ...]) -> Float[Tensor, "band place"]:
        """The change of the output that is there."""
        if axes not in self._squares:
            assert self._now is not None
            channels = [axis for axis in range(1, self._now.ndim) if axis not in axes]
            summed = self._now.sum(channels) if channels else self._now
            self._squares[axes] = summed.flatten(1).cpu()
        return self._squares[axes].sqrt()

    def end_pass(self) -> None:
        """A pass of the look is over."""
        self._passes.append(self._squares)

    def end(self) -> None:
        """The look is over."""
        if not all(self._passes):
            return
        alone = self._images > 2 and not self._total
        for axes in self._passes[0]:
            found = torch.cat([squares[axes] for squares in self._passes])
            self._total[axes] = self._total.get(axes, 0) + found
        if not alone:
            self.finding = decide(self._change, self._shape, self._guess.layout, self._size)

    def _change(self, axes: tuple[int, ...]) -> Float[Tensor, "band place"]:
        return self._total[axes].sqrt()

    def _images_first(self, output: Tensor) -> Tensor | None:
        """The output with its images in front; None where no axis counts them."""
        before, now = self._guess.shape, tuple(output.shape)
        for axis in range(min(2, len(now))) if len(now) == len(before) else ():
            # Two images are as many as in the dry run: then the axis cannot be told by its change.
            other = before[axis] != now[axis] or self._images == 2
            if now[axis] == self._images and other:
                return output.movedim(axis, 0)
        return None


def _squares(tensor: Tensor) -> Tensor:
    """The squared changes of the images under each band; scaled where they would be zeros."""
    difference = (tensor[1:] - tensor[:1]).float()
    squares = difference.square()
    if float(squares.max()) < _SMALL:
        return (difference / difference.abs().max()).square()
    return squares


def first_axes(layout: Layout) -> tuple[int, ...]:
    """Which axes count cells if a layer is what its shape suggests, the image axis in front."""
    return {"nchw": (2, 3), "nhwc": (1, 2)}.get(layout.kind, (1,))


def decide(
    change: Callable[[tuple[int, ...]], Float[Tensor, "band place"]],
    shape: tuple[int, ...],
    guess: Layout,
    size: tuple[int, int],
) -> Finding:
    """Finds the reading that is shown.

    Args:
        change: How much the places along some axes change under each band.
        shape: Of the output, the image axis in front.
        guess: What its shape and type suggest.
        size: Height and width of the images.
    """
    if guess.kind in ("nchw", "nhwc") and guess.grid == (1, 1):
        return Finding(guess)
    shown: list[tuple[_Score, Cells]] = []
    refuted = False
    for axes in axes_of(shape, first_axes(guess)):
        source = sources(change(axes))
        if source is None:
            refuted = refuted or axes == first_axes(guess)
            continue
        found, elsewhere = _best(source, shape, axes, size)
        refuted = refuted or (elsewhere and axes == first_axes(guess))
        if found is None:
            continue
        shown.append(found)
        if found[0].quality >= _CLEAR:
            break
    if not shown:
        return Finding(guess.unshown(), refuted)
    # A map of windows is shown beside that of their pixels, with less evidence.
    score, cells = max(shown, key=lambda one: one[0].evidence)
    return Finding(_layout(cells, shape, guess, score.quality))


def sources(change: Float[Tensor, "band place"]) -> Float[Tensor, "2 place"] | None:
    """Where in the picture each place looks; NaN for those that see nothing, None if most do not.

    Example:
        >>> rows = [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
        >>> columns = [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
        >>> sources(torch.tensor(rows + columns)).float()
        tensor([[0.0000, 1.0000],
                [0.5000, 0.0000]])
    """
    middles = torch.linspace(0, 1, BANDS)[:, None]
    halves = change.double().split(BANDS)
    total = torch.stack([half.sum(0) for half in halves])
    source = torch.stack([(half * middles).sum(0) for half in halves]) / total
    alive = (total > _LEAST_CHANGE * total.max()).all(0) & source.isfinite().all(0)
    source[:, ~alive] = torch.nan
    return source if 2 * int(alive.sum()) > alive.numel() else None


def _best(
    source: Float[Tensor, "2 place"],
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    size: tuple[int, int],
) -> tuple[tuple["_Score", Cells] | None, bool]:
    """The reading along these axes that is shown, if there is one.

    Also whether the places clearly look elsewhere than every reading says.
    """
    scores = [(_score(source, cells), cells) for cells in plain_readings(shape, axes, size)]
    if not any(score.shown and score.quality >= _CLEAR for score, _ in scores):
        others = [
            cells
            for cells in other_readings(shape, axes, size)
            if math.prod(cells.digits) >= _LEAST_CELLS
        ]
        scores += [(_score(source, cells), cells) for cells in others]
    elsewhere = not any(score.possible for score, _ in scores)
    if not scores:
        return None, bool(source[:, source[0].isfinite()].std(1).max() > _TOLERANCE)
    scores.sort(key=lambda one: one[0].evidence)
    score, cells = scores[-1]
    rivals = [one for one, other in scores[:-1] if not _same(cells, other)]
    close = bool(rivals) and score.evidence - rivals[-1].evidence < _MARGIN
    return (None if close or not score.shown else (score, cells)), elsewhere


def _same(one: Cells, other: Cells) -> bool:
    """Whether two readings are one, in other words: windows of one row are rows."""
    same = (one.prefix, one.suffix, one.grid) == (other.prefix, other.suffix, other.grid)
    return same and all(map(torch.equal, one.places(), other.places()))


@dataclass(frozen=True)
class _Score:
    """How well a reading fits: its smaller correlation, and the log-likelihood over chance.

    ``possible``: no cell clearly looks elsewhere. ``shown``: that, and the evidence is enough.
    """

    quality: float
    evidence: float
    possible: bool
    shown: bool


def _score(source: Float[Tensor, "2 place"], cells: Cells) -> _Score:
    looks = source[:, cells.prefix : source.shape[1] - cells.suffix]
    alive = looks[0].isfinite()
    # A place left out that sees the picture is a loss; a cell that sees nothing is a larger one.
    dead = int((~alive).sum())
    cost = 0.5 * (int(source[0].isfinite().sum()) - int(alive.sum())) + _DEAD * dead
    quality, evidence = 1.0, 0.0
    possible = shown = 2 * int(alive.sum()) > alive.numel()
    for look, place, length in zip(looks, cells.places(), cells.grid, strict=True):
        r, spread = _correlation(look[alive], place[alive])
        if length == 1:
            possible = possible and spread <= _TOLERANCE
            continue
        count = int(alive.sum())
        gain = -0.5 * count * math.log(max(1 - r * r, 1e-9)) if r > 0 else 0.0
        least = _LEAST_EVIDENCE if count >= 4 else 0.0
        rest = spread * math.sqrt(max(1 - r * r, 0.0))
        possible = possible and rest <= max(_TOLERANCE, 0.75 / length)
        shown = shown and r >= _LEAST_CORRELATION and gain >= least
        quality, evidence = min(quality, r), evidence + gain
    return _Score(quality, evidence - cost, possible, possible and shown)


def _correlation(look: Tensor, place: Tensor) -> tuple[float, float]:
    """Pearson's r of source and place, and the standard deviation of the source."""
    look, place = look - look.mean(), (place - place.mean()).double()
    spread = look.square().mean().sqrt()
    if spread < 1e-9 or not place.any():
        return 0.0, float(spread)
    r = (look * place).mean() / (spread * place.square().mean().sqrt())
    return float(r), float(spread)


def _layout(cells: Cells, shape: tuple[int, ...], guess: Layout, quality: float) -> Layout:
    """The layout of a reading, by its usual name if it has one."""
    shown = f"r = {quality:.2f}"
    first = guess.images_first
    if cells.plain and not cells.suffix:
        if len(shape) == 4 and cells.axes == (2, 3) and first:
            return Layout("nchw", 0, cells.grid, shown=shown)
        if len(shape) == 4 and cells.axes == (1, 2) and first:
            return Layout("nhwc", 0, cells.grid, shown=shown)
        if len(shape) == 3 and cells.axes == (1,):
            kind = "tokens" if first else "tokens_first"
            return Layout(kind, cells.prefix, cells.grid, shown=shown)
    kind = "cells" if first else "cells_first"
    return Layout(kind, cells.prefix, cells.grid, cells, shown=shown)


def _with_siblings(
    found: Mapping[str, Finding],
    layers: Mapping[str, Guess],
    classes: Mapping[str, type[nn.Module]],
    known: Mapping[str, Layout | None],
) -> dict[str, Layout | None]:
    """The layouts; a layer that nothing refutes is read as others of its class, if those are shown.

    Deep layers, attention and grids of a few cells may leave too little of a place to show it.
    Others of the same class tell whether channels come first or last, or, if of the same grid,
    everything.
    """
    shown: dict[type[nn.Module], set[Layout]] = {}
    own = {name: finding.layout for name, finding in found.items()}
    for name, layout in {**known, **own}.items():
        if layout is not None and layout.spatial and layout.shown:
            shown.setdefault(classes[name], set()).add(layout)
    layouts: dict[str, Layout | None] = {}
    for name, finding in found.items():
        layouts[name] = finding.layout
        if finding.layout is None or finding.layout.shown or finding.refuted:
            continue
        sibling = _sibling(layers[name], shown.get(classes[name], set()))
        if sibling is not None:
            layouts[name] = replace(sibling, shown="by others of its class")
    return layouts


def _sibling(guess: Guess, shown: Set[Layout]) -> Layout | None:
    """The layout that a layer has if it is like these others; None if that cannot be told."""
    kinds = {(layout.kind, layout.prefix) for layout in shown}
    if len(kinds) != 1 or guess.layout.grid == (1, 1):
        return None
    ((kind, prefix),) = kinds
    if len(guess.shape) == 4 and kind in ("nchw", "nhwc"):
        height, width = guess.shape[2:] if kind == "nchw" else guess.shape[1:3]
        return Layout(kind, 0, (height, width))
    same = [layout for layout in shown if layout.fits(guess.shape)]
    if len(same) == 1:
        return same[0]
    alike = kind.startswith("tokens") and (guess.layout.kind, guess.layout.prefix) == (kind, prefix)
    return guess.layout if alike else None
