"""Whether a layer's map is a map: a change at one place of the picture appears at that place.

Each ninth of a picture is replaced in turn, and the size of the change is taken at each cell of
the map, in units of its mean over the map: some ninths change more than others. A cell **tells** a
place if one of the ninths changes it `MARGIN` times as much as any other. A map is one whose cells
lie in the ninths that they tell; a third of them does so in a map that is transposed or mirrored.

At the end of deep untrained networks every ninth changes every cell, and few cells tell a place:
the map is silent. There a convolution (or pooling) with a kernel that puts out the same grid shows
it, or the layers before.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

LATTICE = 3
PLACES = LATTICE**2
MARGIN = 1.5
# Share of telling cells that lie where they say: patches end between cells, and strides round.
RIGHT = 0.6
# Share of cells that tell a place, below which a map says too little.
TELLING = 0.1
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


def told(maps: Tensor, pictures: int) -> tuple[float, float]:
    """Share of the cells that tell a place, and the share of these that lie there.

    Args:
        maps: [(1 + place) picture, channel, row, column], of what `with_patches` gives.
        pictures: Number of pictures.
    """
    maps = maps.double().unflatten(0, (1 + PLACES, pictures))
    change = (maps[1:] - maps[:1]).norm(dim=2).mean(1)
    change = change / change.mean((1, 2), keepdim=True).clamp_min(1e-30)
    best, second = change.topk(2, dim=0).values
    telling = best > MARGIN * second
    rows, columns = (
        ((torch.arange(size) + 0.5) / size * LATTICE).long() for size in change.shape[1:]
    )
    lies = rows[:, None] * LATTICE + columns
    right = (change.argmax(0) == lies) & telling
    count = int(telling.sum())
    return count / telling.numel(), int(right.sum()) / max(1, count)


def convolved(module: nn.Module, run: Callable[[], object]) -> set[tuple[int, ...]]:
    """Grids that convolutions and poolings with kernels put out."""
    grids: set[tuple[int, ...]] = set()

    def keep(part: nn.Module, given: object, output: Tensor) -> None:
        grids.add(tuple(output.shape[2:]))

    handles = [
        part.register_forward_hook(keep)
        for part in module.modules()
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
