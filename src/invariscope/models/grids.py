"""Probes the input: is a layer's output a feature map, and in which order are its cells?

A made-up picture is shown to the model, and eight copies in each of which a band of it is replaced
by another picture: four bands of rows, which overlap and fade into one another, and four of
columns (`band_pictures`). How much each place of a layer's output changes under each band tells
what the layer is (`shown_cells`). Layers that stay unclear are looked at with other pictures, and
read as others of their class. All of it is deterministic; no generator is moved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from invariscope.models.activations import BY_CLASS, BY_KERNEL, Layout
from invariscope.models.leaves import Path, leaf_at
from invariscope.models.readings import axes_of
from invariscope.models.shown_cells import ShownReading, decide, first_axes

LOOKS = 4
_SMALL = 1e-25


@dataclass(frozen=True)
class Guess:
    """A layer before the probe.

    Args:
        layout: What the shape of its output suggests.
        shape: That shape, in a dry run with another number of images than `band_pictures`.
        path: Where in what the module puts out the tensor lies.
    """

    layout: Layout
    shape: tuple[int, ...]
    path: Path = ()


def shown_layouts(
    run: Callable[[Tensor], Any],
    module: nn.Module,
    look_at: Callable[[int], Float[Tensor, "9 channel h w"]],
    layers: Mapping[str, Guess],
    known: Mapping[str, Layout | None],
) -> dict[str, Layout | None]:
    """Finds the layout of each of these layers, from one pass of the model if it is clear.

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
                pairs = [pictures[[0, band]] for band in range(1, len(pictures))]
                _look(run, module, pairs, watched)
        findings = {
            name: _by_kernel(changes.finding, module.get_submodule(name), layers[name])
            for name, changes in watched.items()
        }
        layouts |= _with_siblings(findings, layers, classes, {**known, **layouts})
        watched = {
            name: changes
            for name, changes in watched.items()
            if not (layout := layouts[name]) or not layout.shown
            if changes.unclear
        }
    return {name: layouts[name] for name in layers}


def _by_kernel(finding: ShownReading, module: nn.Module, guess: Guess) -> ShownReading:
    """Decides by its convolutions on a layer that the probe leaves open.

    A convolution whose kernel spans more than one cell makes a map, where nothing moves that shows
    it, or where it reads around the edge. So does a block of such convolutions that is not refuted:
    cells that see the whole picture may show too little of their place.
    """
    if finding.layout is None or finding.layout.shown or guess.layout.kind != "nchw":
        return finding
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    wide = any(max(int(side) for side in part.kernel_size) > 1 for part in parts)
    alone = isinstance(module, nn.Conv2d)
    excused = finding.still or (alone and module.padding_mode == "circular")
    if wide and (excused or not finding.refuted):
        return ShownReading(replace(guess.layout, shown=BY_KERNEL))
    return finding


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
    size = (int(batches[0].shape[-2]), int(batches[0].shape[-1]))
    try:
        with ExitStack() as hooks:
            for name, changes in watched.items():
                layer = module.get_submodule(name)
                hooks.enter_context(layer.register_forward_hook(partial(_hook, changes)))
                changes.begin(size, len(batches[0]))
            for batch in batches:
                run(batch)
                for changes in watched.values():
                    changes.end_pass()
            for changes in watched.values():
                changes.end()
    except Exception:  # whatever a model raises: passes of two, or nothing is shown
        return False
    return True


def _hook(changes: "_Changes", module: nn.Module, args: Any, output: Any) -> None:
    changes.see(leaf_at(output, changes.guess.path))


class _Changes:
    """The changes of each place of one layer's output under each band, over all looks.

    Only sums of squares along the axes that may count cells are kept.
    """

    def __init__(self, guess: Guess):
        self.guess = guess
        self._layout = guess.layout
        self.finding = ShownReading(guess.layout.unshown())
        self._total: dict[tuple[int, ...], Tensor] = {}
        self._now: Tensor | None = None

    @property
    def unclear(self) -> bool:
        """Says whether another look may show what this one did not."""
        return bool(self._total) and not self.finding.refuted

    def begin(self, size: tuple[int, int], images: int) -> None:
        """Begins a look, in passes of so many images."""
        self._size, self._images = size, images
        self._passes: list[dict[tuple[int, ...], Tensor]] = []
        self._squares: dict[tuple[int, ...], Tensor] = {}

    def see(self, output: Tensor | None) -> None:
        """Takes an output while it is there; the last call of the pass counts."""
        tensor = None if output is None else self._images_first(output)
        self._squares = {}
        if tensor is None or tensor.ndim < 3:
            vector = tensor is not None and self._layout.images_first
            self.finding = ShownReading(Layout("vector") if vector else None)
            return
        self._shape = tuple(tensor.shape)
        self._now = _squares(tensor)
        if self._images > 2 and not self._total:
            # Here, so that the other axes are added up only where the first do not show a map.
            self.finding = self._decided(self._change_now)
        else:
            for axes in axes_of(self._shape, first_axes(self._layout)):
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
        """Ends a pass of the look."""
        self._passes.append(self._squares)

    def end(self) -> None:
        """Ends the look."""
        if not all(self._passes):
            return
        alone = self._images > 2 and not self._total
        for axes in self._passes[0]:
            squares_of_look = torch.cat([squares[axes] for squares in self._passes])
            self._total[axes] = self._total.get(axes, 0) + squares_of_look
        if not alone:
            self.finding = self._decided(lambda axes: self._total[axes].sqrt())

    def _decided(self, change: Callable[[tuple[int, ...]], Tensor]) -> ShownReading:
        """Decides what the changes show."""
        finding = decide(change, self._shape, self._layout, self._size)
        if finding.layout and not finding.layout.shown and self._layout != self.guess.layout:
            return ShownReading(finding.layout, refuted=True)  # nothing that is guessed holds
        return finding

    def _images_first(self, output: Tensor) -> Tensor | None:
        """The output with its images in front; None where no axis counts them.

        An axis of length two looked like that of the two images of the dry run: then the guess
        is another.
        """
        before, now = self.guess.shape, tuple(output.shape)
        for axis in range(min(2, len(now))) if len(now) == len(before) else ():
            # Two images are as many as in the dry run: then the axis cannot be told by its change.
            differs = before[axis] != now[axis] or self._images == 2
            if now[axis] == self._images and differs:
                as_guessed = self.guess.layout.images_first == (axis == 0)
                self._layout = self.guess.layout if as_guessed else Layout("sequence_first")
                return output.movedim(axis, 0)
        return None


def _squares(tensor: Tensor) -> Tensor:
    """The squared changes of the images under each band; scaled where they would be zeros."""
    difference = (tensor[1:] - tensor[:1]).float()
    squares = difference.square()
    if float(squares.max()) < _SMALL:
        return (difference / difference.abs().max()).square()
    return squares


def _with_siblings(
    findings: Mapping[str, ShownReading],
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
    own = {name: finding.layout for name, finding in findings.items()}
    for name, layout in {**known, **own}.items():
        if layout is not None and layout.spatial and layout.shown:
            shown.setdefault(classes[name], set()).add(layout)
    layouts: dict[str, Layout | None] = {}
    for name, finding in findings.items():
        layouts[name] = finding.layout
        if finding.layout is None or finding.layout.shown or finding.refuted:
            continue
        sibling = _sibling(layers[name], shown.get(classes[name], set()))
        if sibling is not None:
            layouts[name] = replace(sibling, shown=BY_CLASS)
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
