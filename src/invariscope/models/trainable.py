"""Makes of a probe a network that can be trained further: a copy whose output is logits.

What is frozen stays so: parameters that do not require gradients are left alone, and a part all of
whose parameters are frozen stays in eval mode, so that its batch norms keep their statistics and
its dropout is off. All other parts are in training mode while they are trained: the statistics of
their batch norms follow the images that they see then.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.answer import Answer
from invariscope.models.leaves import leaf_at
from invariscope.models.probe import Probe
from invariscope.models.twin import copy_module

_PROGRAMS = ("torchscript", "export", "onnx")


class Trainable(nn.Module):
    """A copy of the network of a probe, from normalised images to logits.

    Args:
        probe: The model; it keeps its weights and its mode.
        example: One or two images in [0, 1] at the input resolution, for the dry run.

    Attributes:
        network: The copy.

    Raises:
        InputError: See `check_trainable`.

    Example:
        >>> import torch
        >>> from invariscope.models import load_model
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
        >>> trainable = Trainable(load_model(model), torch.rand(2, 3, 4, 4))
        >>> trainable(torch.rand(7, 3, 4, 4)).shape
        torch.Size([7, 5])
    """

    def __init__(self, probe: Probe, example: Float[Tensor, "image band height width"]):
        super().__init__()
        self._answer = check_trainable(probe, example)
        assert probe.module is not None
        self.network = copy_module(probe.module, probe.spec)

    def forward(self, batch: Tensor) -> Float[Tensor, "image element"]:
        """Returns the logits of normalised images."""
        answer = leaf_at(self.network(batch), self._answer.path)
        assert answer is not None
        return self._answer.logits(answer)

    def train(self, mode: bool = True) -> "Trainable":
        """Goes into training mode, but for the parts that are frozen as a whole."""
        super().train(mode)
        for part in self.network.modules() if mode else ():
            own = list(part.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                part.eval()
        return self

    def weights(self) -> dict[str, Tensor]:
        """Returns the state dict of the network, on the CPU, of copies."""
        training = self.training
        # in eval mode e2cnn keeps the filters it has computed among the weights
        state = self.train().network.state_dict()
        kept = {name: value.detach().cpu().clone() for name, value in state.items()}
        self.train(training)
        return kept


def check_trainable(probe: Probe, example: Float[Tensor, "image band height width"]) -> Answer:
    """Returns what the model answers, where it can be trained; nothing of it is copied.

    Args:
        probe: The model.
        example: One or two images in [0, 1] at the input resolution, for the dry run.

    Raises:
        InputError: The model has no classes, or nothing in it can be trained.
    """
    if probe.module is None or probe.spec.partition(":")[0] in _PROGRAMS:
        raise InputError(
            f"model {probe.spec} is a function or a program, whose weights cannot be trained: "
            "give the nn.Module, or a spec such as timm:NAME or checkpoint:PATH@ARCH"
        )
    answer = probe._trace(example).answer
    if answer.task != "classification":
        raise InputError(
            f"model {probe.spec} has no class scores to train by (its task is {answer.task}): "
            "give a classifier"
        )
    changing = [parameter for parameter in probe.module.parameters() if parameter.requires_grad]
    if not changing:
        raise InputError(
            f"model {probe.spec}: all its parameters are frozen; set requires_grad of those that "
            "may change"
        )
    kinds = {str(parameter.dtype) for parameter in changing}
    if kinds != {"torch.float32"}:
        raise InputError(
            f"model {probe.spec} has weights of {', '.join(sorted(kinds))}, too coarse to train: "
            "give it in float32"
        )
    return answer


def with_weights(probe: Probe, state: Mapping[str, Tensor], spec: str) -> Probe:
    """Returns the same model, a copy of it, with other weights.

    Args:
        probe: The model.
        state: A state dict of its network.
        spec: What the copy is called.
    """
    assert probe.module is not None
    module = copy_module(probe.module, probe.spec).train()
    module.load_state_dict(state)
    return probe.with_module(module, spec, probe._decided)
