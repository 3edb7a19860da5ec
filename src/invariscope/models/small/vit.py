"""A small vision transformer (Dosovitskiy et al. 2021): ``vit?patch=4&mlp=1``.

The one of paper 004: 32-pixel images as an 8×8 grid of 4-pixel patches and a class token, learned
positions, 7 pre-norm layers of width 384 with 8 heads, classified from the class token. The MLPs
are as wide as the tokens (``mlp=1``; 6.3 M parameters at 10 classes), as in the network for CIFAR
that 004's code takes; the transformer's own paper has ``mlp=4``. The width is a factor on the 48
channels of a head.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture

_LAYERS, _HEADS, _OF_A_HEAD = 7, 8, 48
_STANDARD_DEVIATION = 0.02


class TransformerLayer(nn.Module):
    """Self-attention and an MLP, each normalised before and added to its input.

    Example:
        >>> TransformerLayer(16, 4, 32)(torch.zeros(2, 5, 16)).shape
        torch.Size([2, 5, 16])
    """

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.gather = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(
        self, tokens: Float[Tensor, "image token feature"]
    ) -> Float[Tensor, "image token feature"]:
        """Tokens to tokens."""
        parts = self.queries_keys_values(self.norm1(tokens)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        tokens = tokens + self.gather(seen.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))


class VisionTransformer(nn.Module):
    """Patches and a class token through the layers; the class token is classified."""

    num_prefix_tokens = 1

    def __init__(self, shape: Shape):
        super().__init__()
        patch = round(shape.options["patch"])
        if patch < 1 or shape.size % patch:
            near = max(patch, 1) * max(1, shape.size // max(patch, 1))
            raise InputError(
                f"small:vit: {shape.size} pixels are no whole number of patches of {patch}; "
                f"size={near} works"
            )
        width = _HEADS * shape.scaled(_OF_A_HEAD)
        inner = max(1, round(width * shape.options["mlp"]))
        self.patches = nn.Conv2d(shape.channels, width, patch, patch)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, (shape.size // patch) ** 2 + 1, width))
        self.layers = nn.Sequential(
            *(TransformerLayer(width, _HEADS, inner) for _ in range(_LAYERS))
        )
        self.norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, shape.classes)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=_STANDARD_DEVIATION)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.classify(self.norm(self.layers(tokens + self.positions))[:, 0])


SMALL.add("vit", SmallArchitecture(VisionTransformer, options={"patch": 4, "mlp": 1}))
