"""Prepares torch for differentiating a model in forward mode.

One pass with pairs of values (an activation, and its derivative along one direction) gives the
directional derivative of everything that the model computes, without a backward pass and without
storing activations. Most operations carry such pairs; these do not, and are kept out of the way
inside `forward_mode`:

- fused attention kernels: `scaled_dot_product_attention` is computed by its plain formula;
- the fused inference path of `torch.nn.MultiheadAttention` and `TransformerEncoderLayer`.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

_OPERATION = re.compile(r"forward AD with (\S+) that does not support it")
_CUSTOM_FUNCTION = re.compile(r"autograd\.?Function")


@contextmanager
def forward_mode() -> Iterator[None]:
    """Lets models be differentiated in forward mode inside; parameters need no gradients.

    Example:
        >>> attend = torch.nn.functional.scaled_dot_product_attention
        >>> x = torch.rand(1, 1, 3, 4)
        >>> with forward_mode():
        ...     _, moved = torch.func.jvp(lambda x: attend(x, x, x), (x,), (x,))
        >>> moved.shape
        torch.Size([1, 1, 3, 4])
    """
    _load_formulas()
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def missing_formula(error: BaseException | None) -> str | None:
    """Returns the operation that has no forward-mode derivative, if that is what an error says.

    Example:
        >>> text = "Trying to use forward AD with aten::foo that does not support it."
        >>> missing_formula(NotImplementedError(text))
        'aten::foo'
        >>> missing_formula(ValueError("negative size")) is None
        True
    """
    if not isinstance(error, NotImplementedError | RuntimeError):
        return None
    match = _OPERATION.search(str(error))
    if match:
        return match.group(1)
    text = str(error)
    custom = _CUSTOM_FUNCTION.search(text) and ("jvp" in text or "setup_context" in text)
    return "an autograd.Function without jvp" if custom else None


def _load_formulas() -> None:
    """Lets torch load its formulas once; on the way it warns of its own use of torch.jit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script", category=FutureWarning)
        warnings.filterwarnings("ignore", "`torch.jit.script", category=DeprecationWarning)
        with forward_ad.dual_level():
            forward_ad.make_dual(torch.zeros(1), torch.zeros(1))
