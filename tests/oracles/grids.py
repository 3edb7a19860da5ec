"""Whether a layer's map is a map: a change at one place of the picture appears at that place.

Each ninth of a picture is replaced in turn, and the change of each ninth of the map is measured: a
table of nine by nine. Its logarithm loses the means of rows and columns, since some places of a
picture matter more, and some cells change whatever happens. What remains must be largest where the
ninth of the map is the ninth that was replaced. Counted is in how many of nine rows it is.
"""

import torch
from torch import Tensor, nn

LATTICE = 3
PLACES = LATTICE**2
# Smaller changes than this, in units of the largest, are rounding.
FLOOR = 1e-5


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
    change = (maps[1:] - maps[:1]).norm(dim=2).flatten(0, 1)
    ninths = nn.functional.adaptive_avg_pool2d(change[:, None], LATTICE).flatten(1)
    table = ninths.unflatten(0, (PLACES, pictures))
    table = table.clamp_min(FLOOR * float(table.max()) + 1e-300).log().mean(1)
    table = table - table.mean(0) - table.mean(1, keepdim=True)
    return int((table.argmax(1) == torch.arange(PLACES)).sum())


def _ninth(index: int, length: int) -> slice:
    return slice(round(index * length / LATTICE), round((index + 1) * length / LATTICE))
