"""Fits linear probes: a new last layer on features that stay as they are.

Two ways to fit it. `fit_logistic` is multinomial logistic regression to convergence,

    minimise over W, b:  Σ_i −log softmax(W x_i + b)[y_i]  +  ‖W‖² / (2 C)

with x the features standardised by the mean and the standard deviation of the images it is fitted
on (a feature without spread becomes 0) and the intercept b free, by L-BFGS in float64. It is
scikit-learn's `LogisticRegression(C=C)` behind `StandardScaler()`, has no learning rate and no
seed, and takes seconds. `fit_adam` is the paper's way: the last layer, drawn anew, trained by Adam
for 25 epochs on the features as the network gives them. It approaches the same optimum without the
penalty, from small weights, and stops before it where steps or features are few: then it is below
the first. On 64 features of 20,000 images it ends 5 to 6 points of accuracy below after 25 epochs,
and 1 to 1.4 (± 1.3) after the 200 of the published code (``benchmarks/probes.py``).

Source: paper 004, §3.1 and App. B; learning rate and batch size from the published code.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.metrics.accuracy import first_answers
from invariscope.seeding import draws, generator

EPOCHS = 25
BATCH_SIZE = 512
LEARNING_RATE = 1e-3
_TOLERANCE = 1e-6
_MOST_ITERATIONS = 2000


@dataclass(frozen=True)
class LinearProbe:
    """A fitted last layer.

    Args:
        weight: Of features as the network gives them.
        bias: Likewise.
        iterations: Steps of the optimiser.
        converged: Whether the gradient vanished; Adam stops after its epochs and does not ask.
    """

    weight: Float[Tensor, "class feature"]
    bias: Float[Tensor, " class"]
    iterations: int
    converged: bool

    def logits(self, features: Float[Tensor, "image feature"]) -> Float[Tensor, "image class"]:
        """Computes the logits of images from their features."""
        return features.to(self.weight) @ self.weight.mT + self.bias

    def predict(self, features: Float[Tensor, "image feature"]) -> Int64[Tensor, " image"]:
        """Returns the most probable class of each image; -1 where its features are no numbers."""
        return first_answers(self.logits(features))


def fit_logistic(
    features: Float[Tensor, "..."],
    labels: Int64[Tensor, "..."],
    *,
    num_classes: int,
    strength: float = 1.0,
) -> LinearProbe:
    """Fits a multinomial logistic regression to convergence; see the module.

    Args:
        features: [image, feature], on the device that is to compute.
        labels: [image], 0 to num_classes - 1; classes without an image get a small probability.
        num_classes: How many classes there are.
        strength: C; a larger one penalises less.

    Raises:
        InputError: Shapes that do not fit, features that are not finite, labels out of range, or a
            strength that is not above 0.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> probe = fit_logistic(x, torch.tensor([0, 0, 1, 1]), num_classes=2)
        >>> probe.predict(torch.tensor([[1.4], [1.6]])).tolist(), probe.converged
        ([0, 1], True)
    """
    from scipy.optimize import minimize

    _check(features, labels, num_classes)
    if not 0 < strength < math.inf:
        raise InputError(f"probe: strength is {strength:g}; a number above 0 works")
    x = features.double()
    mean = x.mean(dim=0)
    spread = x.std(dim=0, correction=0)
    # as scikit-learn: a spread within rounding of its mean is none
    tiny = torch.finfo(features.dtype).eps * mean.abs() * 10
    alive = spread > tiny
    spread = torch.where(alive, spread, 1.0)
    x = torch.where(alive, (x - mean) / spread, 0.0)
    wanted = functional.one_hot(labels, num_classes).double()
    count, width = x.shape
    penalty = 1 / (strength * count)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = torch.from_numpy(values).to(x.device).reshape(num_classes, width + 1)
        weight, bias = parameters[:, :width], parameters[:, width]
        logs = functional.log_softmax(x @ weight.mT + bias, dim=1)
        value = penalty / 2 * weight.square().sum() - (logs * wanted).sum() / count
        error = (logs.exp() - wanted) / count
        slope = torch.cat([error.mT @ x + penalty * weight, error.sum(dim=0)[:, None]], dim=1)
        return float(value), slope.flatten().cpu().numpy()

    minimum: Any = minimize(
        loss,
        np.zeros(num_classes * (width + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_ITERATIONS, "gtol": _TOLERANCE, "ftol": 0.0, "maxls": 50},
    )
    fitted = torch.from_numpy(minimum.x).to(x.device).reshape(num_classes, width + 1)
    weight = fitted[:, :width] / spread
    converged = bool(np.abs(minimum.jac).max() <= _TOLERANCE)
    return LinearProbe(weight, fitted[:, width] - weight @ mean, int(minimum.nit), converged)


def fit_adam(
    features: Float[Tensor, "..."],
    labels: Int64[Tensor, "..."],
    *,
    num_classes: int,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
) -> LinearProbe:
    """Fits a new last layer by Adam, as the paper fine-tunes it.

    Args:
        features: [image, feature], on the device that is to compute.
        labels: [image], 0 to num_classes - 1.
        num_classes: How many classes there are.
        epochs: Passes over the images.
        batch_size: Images per step; the last step of an epoch takes what is left.
        learning_rate: Constant, without weight decay.
        seed: Of the first weights (uniform within 1/√features, as torch draws them) and of the
            order of the images.

    Raises:
        InputError: Shapes that do not fit, features that are not finite, labels out of range.

    Example:
        >>> x = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, 0] > 0).long()
        >>> probe = fit_adam(x, y, num_classes=2, batch_size=32, learning_rate=0.01)
        >>> bool((probe.predict(x) == y).double().mean() > 0.9)
        True
    """
    _check(features, labels, num_classes)
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value < 1:
            raise InputError(f"probe: {name} is {value}; 1 or more works")
    count, width = features.shape
    first = draws(seed, "probe", np.arange(num_classes), width + 1) * 2 - 1
    start = torch.from_numpy(first / math.sqrt(width)).to(features.device, torch.float32)
    weight = start[:, :width].clone().requires_grad_()
    bias = start[:, width].clone().requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=learning_rate)
    x = features.float()
    steps = 0
    with torch.enable_grad():
        for epoch in range(epochs):
            order = generator(seed, f"probe order {epoch}").permutation(count)
            for chosen in torch.from_numpy(order).to(x.device).split(batch_size):
                loss = functional.cross_entropy(x[chosen] @ weight.mT + bias, labels[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                steps += 1
    return LinearProbe(weight.detach(), bias.detach(), steps, converged=False)


def _check(features: Tensor, labels: Tensor, num_classes: int) -> None:
    if features.ndim != 2 or not features.is_floating_point() or not len(features):
        raise InputError(
            f"features: {features.dtype} {list(features.shape)} came; floats [image, feature] work"
        )
    if labels.shape != features.shape[:1]:
        raise InputError(
            f"labels: shape {list(labels.shape)} came for {len(features)} images; one each works"
        )
    if not bool(features.isfinite().all()):
        raise InputError("features: some are not finite; a network whose training converged works")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes or num_classes < 2:
        raise InputError(
            f"labels: {low} to {high} came for {num_classes} classes; 0 to the number of classes "
            "- 1 works, for two classes or more"
        )
