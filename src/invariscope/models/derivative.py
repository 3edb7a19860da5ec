"""Computes the directional derivative of every watched layer in one pass of the model.

The images go in together with their rate of change, v = d/dt T_t x say; every activation then
carries its own, J v, through normalisation, model and hooks (forward-mode differentiation). They
are reduced inside the hooks, so that no activation outlives its layer and memory is that of a
plain forward pass, twice. The derivative of what torch computes: at a kink (a ReLU at 0) one of
the two sides.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad

from invariscope.errors import InputError, RunError
from invariscope.forward_mode import forward_mode, missing_formula
from invariscope.models.activations import Activation

if TYPE_CHECKING:
    from invariscope.models.probe import Probe

DerivativeReducer = Callable[[str, Activation, Tensor], Any]
"""Makes what is kept of (layer name, activation, its derivative in the same shape)."""


def differentiate(
    probe: "Probe",
    images: Float[Tensor, "image band height width"],
    tangents: Float[Tensor, "..."],
    layers: Sequence[str],
    reduce: DerivativeReducer,
) -> dict[str, Any]:
    """Runs the model once in forward mode.

    Args:
        probe: The model.
        images: RGB in [0, 1] at the input resolution.
        tangents: Their rate of change, of the same shape.
        layers: Names from `Probe.watch`.
        reduce: Called inside the hook with the layer's name, its activation (embedding and logits
            come as `Vector`, pooled) and the derivative of the activation's values; must return
            new tensors, not views.

    Returns:
        What the reducer made, by layer.

    Raises:
        InputError: A name that is no layer, tangents of another shape, an operation without
            forward-mode derivative, a layer that the derivative does not reach.
        RunError: The model fails. Running out of memory is raised unchanged.

    Example:
        >>> import torch
        >>> from invariscope.models import load_model
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1, bias=False), torch.nn.Tanh())
        >>> x, v = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
        >>> def keep(layer, activation, derivative):
        ...     return derivative
        >>> moved = differentiate(load_model(model), x, v, ["0"], keep)
        >>> torch.allclose(moved["0"][0, :, 0, 0], model[0].weight.sum((1, 2, 3)))
        True
    """
    if tangents.shape != images.shape:
        raise InputError(
            f"tangents has shape {list(tangents.shape)} but images has {list(images.shape)}: "
            "they must be equal"
        )

    def reduced(layer: str, activation: Activation) -> Any:
        values, derivative = forward_ad.unpack_dual(activation.values)
        if derivative is None:
            raise InputError(
                f"model {probe.spec}: layer {layer!r} is cut off from the images (detach, numpy, "
                "inference_mode, argmax, another runtime), so it has no Lie derivative; a model "
                "that computes in torch all the way works"
            )
        return reduce(layer, type(activation)(values), derivative)

    seen = probe._shown(images, layers)  # outside: this needs no derivatives
    try:
        with forward_mode(), forward_ad.dual_level():
            # An expanded view has no room for a derivative per element.
            plain = images.to(probe.device).contiguous()
            dual = forward_ad.make_dual(plain, tangents.to(probe.device))
            return probe._observe(dual, layers, reduced, seen)
    except RunError as error:
        operation = missing_formula(error.__cause__)
        if operation is None:
            raise
        raise InputError(
            f"model {probe.spec}: {operation} has no forward-mode derivative in this torch, so "
            "there is no Lie derivative; another implementation of that layer, or a run without "
            "the metric, works"
        ) from error
