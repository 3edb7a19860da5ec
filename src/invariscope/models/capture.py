"""Forward hooks that reduce activations while they are there.

The reduction happens inside the hook, so that no activation outlives its layer and an in-place
operation that follows (a ReLU, say) cannot change what was measured. A module that is called
several times in one forward pass is measured at its **last call**. Activations come as the model
makes them: with their derivatives, where the caller differentiates.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from invariscope.models.activations import Activation, Layout, tensor_of

Reducer = Callable[[str, Activation], Any]
"""Makes what is kept of (layer name, activation); must not return a view of the activation."""


class ReducerFailed(Exception):
    """Carries an error of a reducer through the model, so that it is not taken for the model's."""


@contextmanager
def capture(
    module: nn.Module,
    outputs: Mapping[str, Layout],
    inputs: Mapping[str, tuple[str, Layout]],
    reduce: Reducer,
) -> Iterator[dict[str, Any]]:
    """Hooks the named modules for the forward passes inside the context; removes them always.

    Args:
        module: The model.
        outputs: Layout of each module whose output is wanted, by its dotted name.
        inputs: For each module whose input is wanted: the layer's name for it, and its layout.
        reduce: Called inside the hook with the layer's name and its activation.

    Yields:
        What the reducer made, by layer name, filled during the forward pass.

    Example:
        >>> import torch
        >>> from invariscope.models.activations import average_pool
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        >>> with capture(model, {"0": Layout("nchw")}, {}, average_pool) as kept:
        ...     _ = model(torch.zeros(2, 3, 5, 5))
        >>> kept["0"].shape
        torch.Size([2, 4])
    """
    kept: dict[str, Any] = {}

    def keep(layer: str, layout: Layout, value: Any) -> None:
        tensor = tensor_of(value)
        if tensor is None:
            return
        try:
            kept[layer] = reduce(layer, layout.normalise(tensor))
        except Exception as error:
            raise ReducerFailed(layer) from error

    handles: list[Any] = []
    try:
        for name, layout in outputs.items():

            def after(
                module: nn.Module, args: Any, output: Any, name: str = name, layout: Layout = layout
            ) -> None:
                keep(name, layout, output)

            handles.append(module.get_submodule(name).register_forward_hook(after))
        for name, (layer, layout) in inputs.items():

            def before(
                module: nn.Module,
                args: Any,
                kwargs: Any,
                layer: str = layer,
                layout: Layout = layout,
            ) -> None:
                keep(layer, layout, [*args, *kwargs.values()])

            handles.append(
                module.get_submodule(name).register_forward_pre_hook(before, with_kwargs=True)
            )
        yield kept
    finally:
        for handle in handles:
            handle.remove()
