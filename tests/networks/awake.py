"""Untrained networks of which every part matters: constants drawn, statistics set to what is seen.

Many networks begin with parts that do nothing: residual branches multiplied by 0 or 1e-6, position
encodings of zeros. A wrong layer then equals the right one. And batch norms that have seen no
picture let signals vanish. So constant parameters get noise, and batch norms the statistics of
a few pictures. Everything is drawn from a seed.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

NOISE = 0.2


def awaken(module: nn.Module, example: Tensor) -> nn.Module:
    """Adds noise to constant parameters, sets batch norms to the pictures; in place."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter.add_(NOISE * torch.randn(parameter.shape, generator=draw))
    norms = [part for part in module.eval().modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        module(example)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum
    return module


def pictures(count: int, side: int, seed: int) -> Tensor:
    """Smooth blots with a little noise, [picture, 3, side, side] in [0, 1]."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=draw)
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return (smooth + 0.1 * torch.rand(count, 3, side, side, generator=draw)).clamp(0, 1)
