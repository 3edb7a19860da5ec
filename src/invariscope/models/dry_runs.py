"""Keeps the dry runs of a model, one for each size of its images, and what their layers show."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.band_pictures import band_pictures
from invariscope.models.grids import Guess, shown_layouts
from invariscope.models.trace import Trace, Wishes, trace


class DryRuns:
    """Runs a model on two images of each size that comes, once.

    Args:
        run: Calls the model on normalised images.
        prepare: Normalises images in [0, 1].
        module: The model, or None for a plain callable, into which nothing can look.
        what: The model's spec, for messages.
        wishes: What the user says of task, embedding and output.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Any],
        prepare: Callable[[Tensor], Tensor],
        module: nn.Module | None,
        what: str,
        wishes: Wishes,
    ):
        self._run, self._prepare = run, prepare
        self._module, self._what, self._wishes = module, what, wishes
        self._traces: dict[tuple[int, int, int], Trace] = {}

    def of(self, images: Tensor) -> Trace:
        """Returns the dry run for images of this size, [image, band, height, width].

        Raises:
            InputError: These are no images, the model fails on them, or it gives no answer.
        """
        if images.ndim != 4 or 0 in images.shape:
            raise InputError(
                f"images: shape {list(images.shape)} came; [image, band, height, width] works, "
                "such as [image, 3, height, width]"
            )
        size = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
        if size not in self._traces:
            # Two images: with one, an axis of length 1 could be mistaken for the image axis.
            example = images.detach()[:2]
            if len(example) == 1:  # another one, so that what differs between images shows
                example = torch.cat([example, example.flip(3)])
            with torch.no_grad():
                batch = self._prepare(example)
            self._traces[size] = trace(self._run, self._module, batch, self._what, self._wishes)
        return self._traces[size]

    def any(self, bands: int, height: int, width: int) -> Trace:
        """Returns a dry run there is, or makes one for images of this size."""
        if not self._traces:
            ramp = torch.linspace(0, 1, height * width).reshape(height, width)
            self.of(torch.stack([ramp, ramp.flip(1)])[:, None].repeat(1, bands, 1, 1))
        return next(iter(self._traces.values()))

    def show(self, seen: Trace, names: Sequence[str]) -> None:
        """Finds out which of these layers are maps, for the images of a dry run."""
        calls = [seen.call(name) for name in names if name not in seen.shown]
        new = {
            call.name: Guess(call.layout, call.shape, call.path)
            for call in calls
            if call and call.layout
        }
        if self._module is None or not new:
            return
        size = next(size for size, known in self._traces.items() if known is seen)

        def look_at(look: int) -> Tensor:
            return self._prepare(band_pictures(*size, look))

        seen.shown.update(shown_layouts(self._run, self._module, look_at, new, seen.shown))
