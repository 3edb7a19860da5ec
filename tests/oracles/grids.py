"""Whether a layer's map is a map: a change at one place of the picture appears at that place.

Each ninth of a picture is replaced in turn. At each cell of the map the size of the change is
divided by its mean over the nine places, since cells that change whatever happens say nothing, and
then averaged over the ninths of the map. The ninth that changes most must be the one that was
replaced. Counted is how often it is, of nine; a wrong order of cells finds one by chance.

At the end of deep untrained networks a change is everywhere and the count says little. There a
convolution (or pooling) with a kernel that puts out the same grid shows the grid: within the layer,
or, if some places are found, before it.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

LATTICE = 3
PLACES = LATTICE**2
# Of nine: a map; more than the one place that a wrong order finds by chance.
ENOUGH, SOME = 7, 4

_WITH_KERNELS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def with_patches(pictures: Tensor, others: Tensor) -> Tensor:
    """[picture, 3, height, width] to [(1 + place) picture, …]: the pictures, then each place's."""
    height, width = pictures.shape[-2:]
    batches = [pictures]
    for place in range(PLACES):
        row, column = divmod(place, LATTICE)
        changed = pictures.clone()
        rows, columns = _ninth(row, height), _ninth(column, width)
        changed[..., rows, columns] = others[..., rows, columns]
        batches.append(changed)
    return torch.cat(batches)


def places_found(maps: Tensor, pictures: int) -> int:
    """How many places of nine appear where they are.

    Args:
        maps: [(1 + place) picture, channel, row, column], of what `with_patches` gave.
        pictures: Number of pictures.
    """
    maps = maps.double().unflatten(0, (1 + PLACES, pictures))
    change = (maps[1:] - maps[:1]).norm(dim=2)
    change = (change / change.mean(0, keepdim=True).clamp_min(1e-30)).mean(1)
    ninths = nn.functional.adaptive_avg_pool2d(change[:, None], LATTICE).flatten(1)
    return int((ninths.argmax(1) == torch.arange(PLACES)).sum())


def convolved(module: nn.Module, run: Callable[[], object]) -> dict[tuple[int, ...], list[str]]:
    """Grids that convolutions and poolings with kernels put out, each with their names."""
    grids: dict[tuple[int, ...], list[str]] = {}

    def keep(name: str, part: nn.Module, given: object, output: Tensor) -> None:
        grids.setdefault(tuple(output.shape[2:]), []).append(name)

    handles = [
        part.register_forward_hook(partial(keep, name))
        for name, part in module.named_modules()
        if isinstance(part, _WITH_KERNELS) and part.kernel_size not in (1, (1, 1))
    ]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return grids


def _ninth(index: int, length: int) -> slice:
    return slice(round(index * length / LATTICE), round((index + 1) * length / LATTICE))
