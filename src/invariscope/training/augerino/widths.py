"""Learns one width for each of Augerino's generators with the network.

A width is softplus(raw) > 0, and raw is what the optimiser sees. The loss is that of the task minus
a reward for width (paper 000, eq. 5):

- "each", paper 000: reg · ‖m ⊙ width‖₂, with m_k = 1 while width_k ≤ shutdown_k and 0 above it:
  each coordinate is let go on its own, and pushed again when it falls back;
- "all", Benton et al. 2020: reg · ‖width‖₂ while all widths are below 10, else 0.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.training.augerino.generators import GENERATORS, checked_generators

Shutdown = Literal["each", "all"]
SHUTDOWNS = ("each", "all")
ALL_BELOW = 10.0


class Widths(nn.Module):
    """The widths of a uniform law on the Lie algebra.

    Args:
        generators: Which, of `GENERATORS`.
        start: Widths at the start, by name; the generators' own where one is missing.
        shutdown: Where each is not pushed any wider; likewise.
        mode: "each" or "all"; see the module.
        learned: False keeps them as they are, for the control with a fixed augmentation.

    Raises:
        InputError: An unknown generator or mode, or a width that is not above 0.

    Example:
        >>> widths = Widths(["tx", "rot"], start={"tx": 0.4, "rot": 1.0})
        >>> {name: round(value, 3) for name, value in widths.physical().items()}
        {'tx': 0.1, 'rot': 28.648}
    """

    shutdown: Tensor

    def __init__(
        self,
        generators: Sequence[str],
        *,
        start: Mapping[str, float] | None = None,
        shutdown: Mapping[str, float] | None = None,
        mode: str = "each",
        learned: bool = True,
    ):
        super().__init__()
        self.generators = checked_generators(generators)
        if mode not in SHUTDOWNS:
            raise unknown_name("shutdown", mode, SHUTDOWNS)
        self.mode = mode
        first = {name: GENERATORS[name].start for name in self.generators}
        last = {name: GENERATORS[name].shutdown for name in self.generators}
        widths = torch.tensor(_values("start", first, start), dtype=torch.float64)
        self.raw = nn.Parameter(torch.log(torch.expm1(widths)).float(), requires_grad=learned)
        self.register_buffer("shutdown", torch.tensor(_values("shutdown", last, shutdown)))

    def forward(self) -> Float[Tensor, " generator"]:
        """Returns the widths."""
        return functional.softplus(self.raw)

    def pushed(self) -> Float[Tensor, " generator"]:
        """Returns 1 for each width that the regulariser pushes, 0 for the others."""
        widths = self().detach()
        if self.mode == "each":
            return (widths <= self.shutdown).to(widths)
        return (widths < ALL_BELOW).all().to(widths).expand_as(widths)

    def norm(self) -> Float[Tensor, ""]:
        """Computes ‖m ⊙ width‖₂; its gradient is 0 where nothing is pushed."""
        return torch.linalg.vector_norm(self.pushed() * self())

    def physical(self) -> dict[str, float]:
        """Returns by name the largest shift (share of the side), degrees, or largest factor."""
        return {
            name: GENERATORS[name].physical(float(width))
            for name, width in zip(self.generators, self().detach(), strict=True)
        }


def _values(
    what: str, defaults: Mapping[str, float], given: Mapping[str, float] | None
) -> list[float]:
    for name, width in (given or {}).items():
        if name not in defaults:
            raise unknown_name("generator", name, defaults)
        if not width > 0:
            raise InputError(f"augerino: {what} of {name} is {width:g}; a width above 0 works")
    return [float({**defaults, **(given or {})}[name]) for name in defaults]
