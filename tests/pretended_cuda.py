"""Runs code for CUDA where there is none: tensors that say they lie on an accelerator.

Their numbers are computed on the CPU. What real ones refuse, they refuse: to meet a tensor of the
CPU (but for one without axes, and for an index), and to become a NumPy array. So a forgotten
``.to(device)`` or ``.cpu()`` fails here as it would there; speed, memory, kernels and their
rounding are for `benchmarks/gpu.sh` on a machine that has one.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

FAR = torch.device("cuda", 0)
_OF_TENSORS: Any = Tensor  # whose types do not say that its attributes are descriptors
_DEVICE = _OF_TENSORS.device.__get__
_IS_CUDA = _OF_TENSORS.is_cuda.__get__
_TO_NUMPY = (Tensor.numpy, Tensor.__array__)
_COPIES = (Tensor.copy_, _OF_TENSORS.data.__set__)
_SHALLOW = torch._has_compatible_shallow_copy_type
_MOVES = (Tensor.to, Tensor.cpu, Tensor.cuda)


class Far(Tensor):
    """A tensor that is taken to lie on the accelerator."""

    __torch_function__: Any = torch._C._disabled_torch_function_impl


def far(value):
    """Marks a tensor."""
    return value.as_subclass(Far) if isinstance(value, Tensor) else value


def near(value):
    """Takes the mark away."""
    return value.as_subclass(Tensor) if isinstance(value, Far) else value


class _Pretended(TorchFunctionMode):
    """Looks at every call of torch."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
        marked = [x for x in given if isinstance(x, Far)]
        if func in (_DEVICE, _IS_CUDA) and marked:
            return FAR if func == _DEVICE else True
        if func in _TO_NUMPY and marked:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if func is _SHALLOW:  # a module that moves gets new parameters
            return False
        if func == torch.Tensor.__deepcopy__ and marked:
            return self._copied(*args)
        if func in _MOVES:
            return self._moved(func, args, kwargs)
        if marked:
            self._check(func, args, given, marked)
        wanted = kwargs.get("device")
        if wanted is not None and torch.device(wanted).type == FAR.type:
            kwargs["device"] = "cpu"
        made_there = wanted is not None and torch.device(wanted).type == FAR.type
        result = func(*args, **kwargs)
        if made_there or (marked and wanted is None):
            return tree_map(lambda x: x if any(x is one for one in given) else far(x), result)
        return result

    def _moved(self, func, args, kwargs):
        """Does ``to``, ``cpu`` and ``cuda``; the copy that a real one makes is made."""
        tensor, *rest = args
        names = [*rest, *kwargs.values()]
        places = [x for x in names if isinstance(x, str | torch.device) or isinstance(x, Tensor)]
        target = {torch.Tensor.cpu: "cpu", torch.Tensor.cuda: "cuda"}.get(func)
        for place in places:
            is_tensor = isinstance(place, Tensor)
            target = (FAR if isinstance(place, Far) else "cpu") if is_tensor else place

        def plain(value):
            is_place = isinstance(value, str | torch.device)
            return torch.device("cpu") if is_place else value

        there = isinstance(tensor, Far) if target is None else torch.device(target).type == "cuda"
        call = torch.Tensor.cpu if func is torch.Tensor.cuda else func
        if call is torch.Tensor.cpu:
            rest, kwargs = [], {}
        named: dict[str, Any] = {key: plain(value) for key, value in kwargs.items()}
        others: list[Any] = [plain(value) for value in rest]
        moved = call(near(tensor), *others, **named)
        if there != isinstance(tensor, Far):
            return far(moved.clone()) if there else near(moved.clone())
        return tensor if moved is tensor else far(moved) if there else moved

    def _copied(self, tensor, memo):
        """Does what ``deepcopy`` does."""
        if id(tensor) not in memo:
            copied = far(near(tensor.detach()).clone()).requires_grad_(tensor.requires_grad)
            if isinstance(tensor, torch.nn.Parameter):
                copied = torch.nn.Parameter(copied.detach(), tensor.requires_grad)
            memo[id(tensor)] = copied
        return memo[id(tensor)]

    def _check(self, func, args, given, marked):
        """Refuses what a real device refuses."""
        strange = [x for x in given if not isinstance(x, Far) and x.ndim]
        scalar_there = not strange and any(not isinstance(x, Far) for x in given)
        if not strange or func in _COPIES or scalar_there:
            return
        name = getattr(func, "__name__", str(func))
        if name in ("__getitem__", "__setitem__") and isinstance(args[0], Far):
            values = tree_flatten(args[2:])[0]
            if all(isinstance(x, Far) or not isinstance(x, Tensor) for x in values):
                return  # indices of the CPU are taken along
        raise RuntimeError(
            f"{name}: expected all tensors to be on the same device, but found cuda:0 and cpu: "
            f"{[(type(x).__name__, tuple(x.shape)) for x in given]}"
        )


@contextmanager
def pretended_cuda() -> Iterator[None]:
    """Lets ``device="cuda"`` work inside the context."""
    state = torch.zeros(16, dtype=torch.uint8)
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with (
            patch("torch.cuda.is_available", return_value=True),
            patch("torch.cuda.is_bf16_supported", return_value=True),
            patch("torch.cuda.get_device_name", return_value="pretended"),
            patch("torch.cuda.get_rng_state", lambda *_: state.clone()),
            patch("torch.cuda.set_rng_state"),
            patch("torch.cuda.manual_seed"),
            patch("torch.cuda.device", lambda *_: nullcontext()),
            patch("torch.cuda.reset_peak_memory_stats"),
            patch("torch.cuda.max_memory_allocated", return_value=1),
            _Pretended(),
        ):
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
