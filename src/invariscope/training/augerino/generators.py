"""Exponentiates the Lie algebra of affine motions of the plane (paper 000, App. G).

| generator | 3 × 3 matrix G | exp(w G) | width as | start | shutdown |
|---|---|---|---|---|---|
| tx, ty | e₁₃, e₂₃ | a shift by w | ± share of the side: width / 4 | 1.2 | 1.2: ± 30 % |
| rot | −e₁₂ + e₂₁ | a turn by w radians | ± degrees: 90 width / π | 0.69 | 10 |
| scale | e₁₁ + e₂₂ | e^w in both axes | largest zoom: e^(width / 2) | 2.52 | 2.55: × 3.57 |
| stretch | e₁₁ − e₂₂ | e^w along x, e^−w along y | largest stretch, as above | 0.69 | 10 |
| shear | e₁₂ + e₂₁ | e^w along one diagonal, e^−w along the other | as above | 0.69 | 10 |

Coordinates are those of ``affine_grid``: x to the right and y down, from −1 to 1 between the
centres of the outermost pixels. A matrix M acts by inverse warp: the output at p is the input at
M p, so a w < 0 of `scale` zooms in. One weight for each generator, w ~ U(−width/2, width/2); the
motion is exp(Σ w G).

`stretch` and `shear` are what the original calls scaling per axis and shearing. Its translations
have a generator of 0.1 e₁₃; here, as in the code of paper 000, the coefficient is 1. Start and
shutdown values are those that its settings and text imply: ± 30 % and 1 / 0.28; 0.69 = softplus(0).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.registry import unknown_name


@dataclass(frozen=True)
class LieGenerator:
    """A direction in the Lie algebra of Aff(2).

    Args:
        name: Its name.
        entries: (row, column, value) of the matrix's entries that are not 0.
        start: The width at the start of a training.
        shutdown: The width above which it is not pushed any wider.
        unit: What `physical` gives.
        physical: From a width to that unit.
    """

    name: str
    entries: tuple[tuple[int, int, float], ...]
    start: float
    shutdown: float
    unit: str
    physical: Callable[[float], float]


def _share(width: float) -> float:
    return width / 4


def _degrees(width: float) -> float:
    return 90 * width / math.pi


def _factor(width: float) -> float:
    return math.exp(width / 2)


_PLAIN = math.log(2.0)
_ZOOM = 2 * math.log(1 / 0.28)
GENERATORS = {
    generator.name: generator
    for generator in (
        LieGenerator("tx", ((0, 2, 1.0),), 1.199, 1.2, "± of the side", _share),
        LieGenerator("ty", ((1, 2, 1.0),), 1.199, 1.2, "± of the side", _share),
        LieGenerator("rot", ((0, 1, -1.0), (1, 0, 1.0)), _PLAIN, 10.0, "± degrees", _degrees),
        LieGenerator("scale", ((0, 0, 1.0), (1, 1, 1.0)), 2.524, _ZOOM, "largest ×", _factor),
        LieGenerator("stretch", ((0, 0, 1.0), (1, 1, -1.0)), _PLAIN, 10.0, "largest ×", _factor),
        LieGenerator("shear", ((0, 1, 1.0), (1, 0, 1.0)), _PLAIN, 10.0, "largest ×", _factor),
    )
}
TRANSLATIONS = ("tx", "ty")


def checked_generators(names: Sequence[str]) -> tuple[str, ...]:
    """Checks the names; their order stays.

    Raises:
        InputError: None, one twice, or one that is unknown.
    """
    for name in names:
        if name not in GENERATORS:
            raise unknown_name("generator", name, GENERATORS)
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"generators are {', '.join(names) or 'none'}: name at least one, each once, of "
            f"{', '.join(GENERATORS)}"
        )
    return tuple(names)


def basis(names: Sequence[str]) -> Float[Tensor, "generator 3 3"]:
    """Returns the generators' matrices, float64.

    Example:
        >>> basis(["rot"])[0].tolist()
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    matrices = torch.zeros(len(names), 3, 3, dtype=torch.float64)
    for number, name in enumerate(names):
        for row, column, value in GENERATORS[name].entries:
            matrices[number, row, column] = value
    return matrices


def motions(
    weights: Float[Tensor, "image generator"], generators: Float[Tensor, "generator 3 3"]
) -> Float[Tensor, "image 3 3"]:
    """Computes exp(Σ w G) for each image.

    Example:
        >>> quarter = motions(torch.tensor([[math.pi / 2]]), basis(["rot"]).float())[0]
        >>> quarter.round().abs().int().tolist()
        [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    """
    return torch.linalg.matrix_exp(torch.einsum("nk,kij->nij", weights, generators))
