"""Learns how far to augment: Augerino (Benton et al. 2020; paper 000, App. G).

f̄(x) = E over T of f(T x), where T is a random affine motion of learned width (`generators`,
`widths`). In training a batch is moved by `train_copies` draws of T, one in the papers; in testing
by `copies`, four in the papers, whose log-softmax is averaged. Cross-entropy is linear in it, so
the average may be taken outside of the loss (eq. 4).

Motions are inverse warps, bilinear, of images as the network sees them: what comes from outside is
`fill`, in the network's own units, where 0 is the mean colour of its normalisation.

With `separate`, translations come first and the other generators after them, each with a resampling
of its own; with `zoom_in`, the weight of `scale` is drawn from U(−width/2, 0), so that images are
only enlarged. Paper 000 has both for tx, ty, scale (§G.3).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.seeding import draws as counted
from invariscope.training.augerino.generators import TRANSLATIONS, basis, motions
from invariscope.training.augerino.widths import Widths

Images = Float[Tensor, "image channel height width"]
#: The widths learn at this share of the network's rate, without weight decay.
WIDTH_RATE = 0.1


class Augerino(nn.Module):
    """A classifier behind random motions whose widths are learned.

    Args:
        model: From images to logits.
        generators: Which motions.
        regulariser: How strongly wider motions are rewarded.
        separate: Translations first, then the rest.
        zoom_in: `scale` only enlarges.
        copies: How many motions of an image a test averages.
        train_copies: And a training step.
        fill: What comes from outside the frame, in the units of the images.
        learned: False is the control: motions of fixed width, as many copies.
        start: Widths at the start, by generator.
        shutdown: Widths above which a generator is not rewarded any more.
        mode: "each" generator is shut down on its own (paper 000), or "all" together (original).
        test_seed: Of the draws in eval mode; they are numbered from the moment of `eval()` on, so
            that neither the batch size nor the state of any generator matters.

    Attributes:
        widths: The learned law.
        enabled: False passes images on as they are: the evaluation without Augerino.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        >>> augerino = Augerino(network, ["tx", "ty", "rot"])
        >>> images = torch.rand(5, 1, 8, 8)
        >>> augerino(images, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([5, 3])
        >>> tested = augerino.eval()(images)
        >>> torch.equal(tested, augerino.eval()(images))
        True
    """

    basis: Tensor

    def __init__(
        self,
        model: nn.Module,
        generators: Sequence[str] = ("tx", "ty"),
        *,
        regulariser: float = 0.2,
        separate: bool = False,
        zoom_in: bool = False,
        copies: int = 4,
        train_copies: int = 1,
        fill: float = 0.0,
        learned: bool = True,
        start: Mapping[str, float] | None = None,
        shutdown: Mapping[str, float] | None = None,
        mode: str = "each",
        test_seed: int = 0,
    ):
        super().__init__()
        self.model = model
        self.widths = Widths(generators, start=start, shutdown=shutdown, mode=mode, learned=learned)
        if regulariser < 0:
            raise InputError(f"augerino: regulariser is {regulariser:g}; 0 or more works")
        if min(copies, train_copies) < 1:
            raise InputError(f"augerino: {copies} and {train_copies} copies; one or more work")
        if zoom_in and "scale" not in self.widths.generators:
            raise InputError("augerino: zoom_in needs the generator scale")
        self.regulariser, self.separate, self.zoom_in = regulariser, separate, zoom_in
        self.copies, self.train_copies, self.fill = copies, train_copies, fill
        self.learned, self.test_seed, self.enabled = learned, test_seed, True
        self.register_buffer("basis", basis(self.widths.generators).float())
        self._seen = 0

    def train(self, mode: bool = True) -> "Augerino":
        """Switches the mode; the draws of a test begin anew."""
        self._seen = 0
        return super().train(mode)

    def forward(
        self,
        images: Images,
        draws: Float[Tensor, "image copy generator"] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "image class"]:
        """Averages log-softmax over copies; one copy in training gives the network's own output.

        Args:
            images: What the network takes.
            draws: Uniform numbers in [0, 1), one for each copy and generator; None draws them.
            generator: Of torch, for training; None takes torch's global one. A test draws from
                `test_seed`.
        """
        if not self.enabled:
            return self.model(images)
        count = self.train_copies if self.training else self.copies
        if draws is None:
            draws = self._draw(images, count, generator)
        outputs = [self.model(self.moved(images, draws[:, k])) for k in range(draws.shape[1])]
        if len(outputs) == 1:
            return outputs[0]
        logs = [functional.log_softmax(output, dim=1) for output in outputs]
        return torch.stack(logs).mean(dim=0)

    def loss(self, outputs: Float[Tensor, "image class"], targets: Tensor) -> Float[Tensor, ""]:
        """Computes the cross-entropy, averaged over copies, minus the reward for width.

        Args:
            outputs: What `forward` gave.
            targets: Class indices, or a share for each class.
        """
        if self.training and self.enabled and self.train_copies == 1:
            outputs = functional.log_softmax(outputs, dim=1)
        shares = targets
        if targets.ndim == 1:
            shares = functional.one_hot(targets, outputs.shape[1]).to(outputs)
        return -(shares * outputs).sum(dim=1).mean() + self.regularisation()

    def regularisation(self) -> Float[Tensor, ""]:
        """Computes the reward in the loss: −regulariser · ‖m ⊙ width‖₂; 0 for the control."""
        if not self.learned:
            return self.widths.raw.new_zeros(())
        return -self.regulariser * self.widths.norm()

    def weights(self, draws: Float[Tensor, "image generator"]) -> Float[Tensor, "image generator"]:
        """Computes the weight of each generator from uniform numbers."""
        centred = draws.to(self.widths.raw) - 0.5
        if self.zoom_in:
            scale = self.widths.generators.index("scale")
            only = torch.arange(centred.shape[1], device=centred.device) == scale
            centred = torch.where(only, -draws.to(centred) / 2, centred)
        return centred * self.widths()

    def moved(self, images: Images, draws: Float[Tensor, "image generator"]) -> Images:
        """Moves each image as its uniform numbers say."""
        weights = self.weights(draws)
        if not self.separate:
            return inverse_warp(images, motions(weights, self.basis), self.fill)
        first = torch.tensor(
            [name in TRANSLATIONS for name in self.widths.generators], device=weights.device
        )
        for chosen in (first, ~first):
            if chosen.any():
                matrices = motions(weights[:, chosen], self.basis[chosen])
                images = inverse_warp(images, matrices, self.fill)
        return images

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Groups the network's parameters, and the widths at a tenth of the rate without decay."""
        network = list(self.model.parameters())
        groups: list[dict[str, Any]] = [
            {"params": network, "lr": learning_rate, "weight_decay": weight_decay}
        ]
        if self.learned:
            rate = WIDTH_RATE * learning_rate
            groups.append({"params": [self.widths.raw], "lr": rate, "weight_decay": 0.0})
        return groups

    def numbers(self) -> dict[str, float]:
        """Returns for the history the widths in physical units, such as ``augerino tx``."""
        return {f"augerino {name}": value for name, value in self.widths.physical().items()}

    def _draw(self, images: Images, copies: int, generator: torch.Generator | None) -> Tensor:
        shape = len(images), copies, len(self.widths.generators)
        if self.training:
            device = images.device if generator is None else generator.device
            drawn = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
            return drawn.to(images.device)
        places = range(self._seen, self._seen + len(images))
        self._seen += len(images)
        numbers = counted(self.test_seed, "augerino", list(places), shape[1] * shape[2])
        return torch.from_numpy(numbers).reshape(shape).to(images.device)


def inverse_warp(images: Images, matrices: Float[Tensor, "image 3 3"], fill: float = 0.0) -> Images:
    """Reads the output at p from the input at M p, bilinear, `fill` outside.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0]] * 2]])
        >>> shift = torch.eye(3)[None].clone()
        >>> shift[0, 0, 2] = 1.0  # half of the distance between the outermost pixels
        >>> inverse_warp(image, shift)[0, 0, 0].tolist()
        [2.0, 3.0, 0.0]
    """
    grid = functional.affine_grid(
        matrices[:, :2].to(images), list(images.shape), align_corners=True
    )
    moved = functional.grid_sample(
        images - fill, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return moved + fill
