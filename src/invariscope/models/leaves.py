"""Lists the tensors of an output, and finds the one that stands for a layer.

Modules put out a tensor, or tensors in tuples, lists, dictionaries, dataclasses and ModelOutputs.
`invariscope.models.answer` finds a *model's* answer among them. A **layer** stands for the first
tensor that has one value set for each image (`layer_leaf`): its first axis counts the images, or,
for tokens before images, its second. So a block that hands on pixels [image and patch, ...] beside
patches [image, ...] (TNT) is read at its patches. The dry run chooses once; the probe of the input
and every later pass take the tensor at the same path.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Path = tuple[str | int, ...]
"""Keys and positions that lead to a tensor of an output."""

# Of several tensors of a layer these stand for it before others.
_PREFERRED = ("logits", "last_hidden_state")


@dataclass(frozen=True)
class Leaf:
    """A tensor of an output.

    Args:
        path: Keys and positions that lead to it; () where the output is the tensor itself.
        tensor: The tensor; of a typed tensor (`e2cnn`) what it wraps.
        kind: The type of a typed tensor, or None.
    """

    path: Path
    tensor: Tensor
    kind: Any = None

    @property
    def key(self) -> str:
        """The path as the user writes it: "logits", "0", "heads.1"."""
        return ".".join(map(str, self.path))


def leaves(output: Any) -> Iterator[Leaf]:
    """Yields the floating-point tensors of an output, in its order.

    Example:
        >>> import torch
        >>> [leaf.key for leaf in leaves({"a": torch.ones(2), "b": (None, torch.ones(3))})]
        ['a', 'b.1']
    """
    for leaf in _walk(output, ()):
        if leaf.tensor.is_quantized:
            yield Leaf(leaf.path, leaf.tensor.dequantize())
        elif leaf.tensor.is_floating_point() or leaf.kind is not None:
            yield leaf


def leaf_at(output: Any, path: Path) -> Tensor | None:
    """Returns the tensor at a path of an output, or None where it is not there."""
    if isinstance(output, Tensor) and not path and not output.is_nested:
        return output.dequantize() if output.is_quantized else _dense(output)
    return next((leaf.tensor for leaf in leaves(output) if leaf.path == path), None)


def layer_leaf(output: Any, is_per_image: Callable[[Tensor], bool]) -> Leaf | None:
    """Returns the tensor that stands for a layer's output; None where there is none.

    The first that has one value set for each image; of a dictionary ``logits`` and
    ``last_hidden_state`` come first. Where none has, the first, so that it can be named.

    Args:
        output: What the module has put out.
        is_per_image: Whether a tensor has one value set for each image.

    Example:
        >>> import torch
        >>> pixels, patches = torch.zeros(8, 16, 3), torch.zeros(2, 4, 5)
        >>> layer_leaf((pixels, patches), lambda tensor: len(tensor) == 2).path
        (1,)
    """
    every = sorted(_walk(output, ()), key=_rank)
    return next((leaf for leaf in every if is_per_image(leaf.tensor)), every[0] if every else None)


def tensor_of(value: Any) -> Tensor | None:
    """Returns the first tensor of what a module reads or puts out; None without any.

    Example:
        >>> import torch
        >>> tensor_of((None, {"aux": torch.zeros(1), "logits": torch.ones(2)}))
        tensor([1., 1.])
    """
    leaf = layer_leaf(value, lambda _: True)
    return None if leaf is None else leaf.tensor


def _walk(output: Any, path: Path) -> Iterator[Leaf]:
    """The tensors of an output, in its order."""
    if isinstance(output, Tensor):
        if not output.is_nested:  # of ragged rows there is no shape
            yield Leaf(path, _dense(output))
    elif isinstance(getattr(output, "tensor", None), Tensor) and hasattr(output, "type"):
        yield Leaf(path, output.tensor, output.type)
    elif isinstance(output, Mapping):
        for key, value in output.items():
            yield from _walk(value, (*path, str(key)))
    elif isinstance(output, tuple | list):
        for position, value in enumerate(output):
            yield from _walk(value, (*path, position))
    elif hasattr(output, "__dataclass_fields__"):
        for key in output.__dataclass_fields__:
            yield from _walk(getattr(output, key), (*path, key))


def _dense(tensor: Tensor) -> Tensor:
    """The tensor itself, or the numbers of a sparse one, or of one as oneDNN lays it out."""
    return tensor if tensor.layout is torch.strided else tensor.to_dense()


def _rank(leaf: Leaf) -> int:
    last = leaf.path[-1] if leaf.path else ""
    return _PREFERRED.index(last) if last in _PREFERRED else len(_PREFERRED)
