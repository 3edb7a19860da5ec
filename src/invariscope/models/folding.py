"""Folds batch norms into the convolutions before them: the same network with fewer operations.

    γ (w ∗ x + b − μ) / √(σ² + ε) + β  =  (s w) ∗ x + s (b − μ) + β,   s = γ / √(σ² + ε)

The folded network is a copy that shares all other weights: only the folded convolutions take memory
of their own. It is used only if it gives what the network gives: every watched layer is compared on
the first pictures, and more than `TOLERANCE` of its length apart leaves the network as it is.
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.models.norm_pairs import Pair

TOLERANCE = 1e-5
"""The most that a vector may move, as a share of its length."""


def fold(module: nn.Module, pairs: Sequence[Pair]) -> nn.Module:
    """Makes a copy of a model with these batch norms folded; the model stays as it is.

    Args:
        module: The model.
        pairs: Of `norm_pairs`.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
        >>> folded = fold(net, [Pair("0", "1")])
        >>> x = torch.rand(2, 3, 8, 8)
        >>> folded[1], torch.allclose(folded(x), net(x), atol=1e-6)
        (Identity(), True)
    """
    tensors = [value for part in module.modules() for value in _tensors(part)]
    folded = copy.deepcopy(module, {id(value): value for value in tensors})
    rests: dict[nn.Module, nn.Module] = {}
    for pair in pairs:
        conv: Any = folded.get_submodule(pair.conv)
        norm = folded.get_submodule(pair.norm)
        weight, bias = _folded(conv, norm)
        conv.weight = nn.Parameter(weight, requires_grad=False)
        conv.bias = nn.Parameter(bias, requires_grad=False)
        rests[norm] = _rest(norm)
    for part in list(folded.modules()):
        for name, child in part._modules.items():
            if child in rests:  # wherever it is registered
                part._modules[name] = rests[child]
    return folded


def apart(first: Tensor, second: Tensor) -> float:
    """Computes how far vectors [image, element] moved at most, as a share of their length.

    Example:
        >>> apart(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.5]]))
        0.1
    """
    if first.shape != second.shape or not first.isfinite().all():
        return float("inf")
    moved, length = (first - second).double().norm(dim=1), first.double().norm(dim=1)
    shares = torch.where(moved == 0, 0, moved / length)
    return float(torch.where(shares.isnan(), torch.inf, shares).max())


def _tensors(part: nn.Module) -> list[Any]:
    """All tensors that a module holds itself."""
    own = [value for value in vars(part).values() if isinstance(value, Tensor)]
    return [*part.parameters(recurse=False), *part.buffers(recurse=False), *own]


def _folded(conv: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of the two as one convolution, computed in float64."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = (
        -norm.running_mean.double()
        if conv.bias is None
        else (conv.bias.detach().double() - norm.running_mean.double())
    )
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    bias = shift * scale if norm.bias is None else shift * scale + norm.bias.detach().double()
    old = conv.weight.detach()
    weight = torch.empty_like(old)  # keeps the memory format
    weight.copy_(old.double() * scale.reshape(-1, *[1] * (old.ndim - 1)))
    return weight, bias.to(old.dtype)


def _rest(norm: Any) -> nn.Module:
    """What a batch norm does beside normalising: timm's goes on with dropout and activation."""
    after = OrderedDict(norm.named_children())
    return nn.Sequential(after).eval() if after else nn.Identity().eval()
