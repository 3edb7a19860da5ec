"""Numbers of peers beside ours, for the same inputs, where the two mean the same.

    pip install tmeasures==1.2.11 statsmodels pandas matplotlib
    TAGTORCH=FOLDER LIE_DERIV=FOLDER python benchmarks/peers.py --part numbers

Nothing of theirs is copied: packages are imported by name, repositories from the folders that the
variables name, and what is not there is said. A network of four convolutions with random weights
sees 24 pictures of 32 px under the quarter turns, which move pixels exactly, so that only the
measures can differ.

- tmeasures: normalised variance of every unit of every layer. Theirs is the mean standard deviation
  over transformations by that over images, ours the mean variance by the mean variance (Quiroga et
  al.), so the numbers differ; theirs is held against its own formula on our activations, tolerance
  1e-4 of the value. Dead units are 1 there (0/0) and NaN here.
- tagtorch (G-EED of the authors of paper 003): the latent deviation has no normaliser there (ours:
  1), the cosine one is 1 − cos there and −cos here; the softmax deviation is the same.
- lie-deriv: the derivative of each layer *alone*, estimated by random probes of the softmax, times
  what the loss makes of it; ours is that of the network up to the layer, exact. The two mean the
  same at the first layer only, where theirs is compared before the probes: up to the sampler, since
  theirs differentiates bilinear sampling with reflected borders, ours takes central differences.
"""

import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

IMAGES, SIDE, TURNS = 24, 32, 4


def network() -> nn.Sequential:
    """Four convolutions, an embedding, logits."""
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for before, after, stride in ((3, 8, 1), (8, 16, 2), (16, 16, 1), (16, 32, 2)):
        parts += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.GELU()]
    net = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).eval()
    with torch.no_grad():
        for weights in net.parameters():  # as large as makes turned pictures differ
            weights.mul_(4)
    return net


def pictures() -> Tensor:
    """Smooth pictures [image, 3, SIDE, SIDE]."""
    coarse = torch.rand(IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 1)


def turned(images: Tensor, turn: int) -> Tensor:
    """Turned counter-clockwise by so many quarters."""
    return torch.rot90(images, turn, (-2, -1))


def apart(ours: Tensor, theirs: Tensor) -> dict:
    """How far two sets of numbers lie apart, where both are finite."""
    ours, theirs = ours.double().flatten(), theirs.double().flatten()
    known = ours.isfinite() & theirs.isfinite()
    off = (ours - theirs).abs()[known] / ours.abs()[known].clamp_min(1e-12)
    return {
        "numbers": len(ours),
        "compared": int(known.sum()),
        "largest_relative_difference": float(off.max()),
        "median_of_ours": float(ours[known].median()),
        "median_of_theirs": float(theirs[known].median()),
    }


def timed(compute: Callable[[], Any]) -> tuple[Any, dict]:
    """What something computes, its seconds and the process's largest resident set so far."""
    started = time.perf_counter()
    found = compute()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found, {"s": round(time.perf_counter() - started, 3), "peak_mib": peak}


def judged(found: dict, tolerance: float) -> dict:
    """Says whether all compared numbers are the same."""
    same = found["compared"] > 0 and found["largest_relative_difference"] <= tolerance
    return {**found, "tolerance": tolerance, "same": same}


def orbits(net: nn.Sequential, layers: list[str]) -> dict[str, Tensor]:
    """What layers give under every turn [image, turn, …]."""
    kept: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    handles = [
        net.get_submodule(layer).register_forward_hook(
            lambda _, __, output, layer=layer: kept[layer].append(cast(Tensor, output))
        )
        for layer in layers
    ]
    with torch.inference_mode():
        for turn in range(TURNS):
            net(turned(pictures(), turn))
    for handle in handles:
        handle.remove()
    return {layer: torch.stack(parts, 1) for layer, parts in kept.items()}


def tmeasures() -> dict:
    """Normalised variance of every unit."""
    import tmeasures as tm
    from tmeasures.pytorch import (
        ActivationsModule,
        NormalizedVarianceInvariance,
        PyTorchMeasureOptions,
    )
    from tmeasures.pytorch.transformations import PyTorchTransformation, PyTorchTransformationSet

    from invariscope.metrics import normalized_variance

    class Turn(PyTorchTransformation):
        def __init__(self, turn: int):
            torch.nn.Module.__init__(self)
            self.turn = turn

        def __call__(self, x: Tensor) -> Tensor:
            return turned(x, self.turn)

        def parameters(self) -> Tensor:
            return torch.tensor([float(self.turn)])

    class Turns(PyTorchTransformationSet):
        def id(self) -> Any:
            return "turns"

        def valid_input(self, shape: tuple[int, ...]) -> bool:
            return True

        def copy(self) -> "Turns":
            return Turns([*self])

    net = network()
    layers = ["1", "3", "5", "7", "10"]

    class Watched(ActivationsModule):
        def __init__(self):
            super().__init__()
            self.network, self.kept = net, list[Tensor]()
            for layer in layers:
                module = net.get_submodule(layer)
                module.register_forward_hook(
                    lambda _, __, output: self.kept.append(cast(Tensor, output))
                )

        def activation_names(self) -> list[str]:
            return layers

        def forward_activations(self, args: Tensor) -> list[Tensor]:
            self.kept = []
            self.network(args)
            return self.kept

    class Images(torch.utils.data.Dataset):
        values = pictures()

        def __len__(self):
            return IMAGES

        def __getitem__(self, index):
            return self.values[index]

    how = PyTorchMeasureOptions(batch_size=32, num_workers=0, verbose=False)
    turns = Turns([Turn(turn) for turn in range(TURNS)])

    def theirs():
        with torch.inference_mode():
            return NormalizedVarianceInvariance().eval(Images(), turns, Watched(), how)

    def ours():
        found = orbits(network(), layers)
        return torch.cat([normalized_variance(v.flatten(2)) for v in found.values()])

    def theirs_by_hand():
        parts = []
        for values in orbits(network(), layers).values():
            flat = values.flatten(2).double()  # [image, turn, unit]
            parts.append(flat.std(1).mean(0) / flat.std(0).mean(0))
        return torch.cat(parts)

    own, own_cost = timed(ours)
    result, cost = timed(theirs)
    values = torch.cat([layer.flatten() for layer in result.layers])
    return {
        "version": getattr(tm, "__version__", "?"),
        "what": "normalised variance of every unit",
        "numbers": {
            "its own formula on our activations": judged(apart(theirs_by_hand(), values), 1e-4),
            "ours, of variances": apart(own, values),
        },
        "ours": own_cost,
        "theirs": cost,
    }


class _Symmetry:
    """A finite group that acts, as tagtorch asks for it."""

    finite = True

    def __init__(self, order: int):
        self.order, self.trivial = order, order == 1

    def orbit(self, data: Tensor, num_samples: int = 100) -> list[Tensor]:
        """All of it."""
        return [turned(data, turn) if self.order > 1 else data for turn in range(self.order)]


def tagtorch() -> dict:
    """G-EED at the embedding, and of the probabilities."""
    with on_path(os.environ["TAGTORCH"], "src"):
        theirs = importlib.import_module("tagtorch.model_properties.equivariance_metrics")
    from invariscope.metrics import latent_eed, softmax_eed_from_logits

    net, turns, nothing = network(), _Symmetry(TURNS), _Symmetry(1)
    layer = net.get_submodule("9")

    def ours() -> list[float]:
        found = orbits(net, ["9", "10"])
        embedding, logits = found["9"], found["10"]
        return [
            float(latent_eed(embedding, normalizer=1.0).mean()),
            1 + float(latent_eed(embedding, normalizer=1.0, distance="cosine").mean()),
            float(softmax_eed_from_logits(logits).mean()),
        ]

    def published() -> list[float]:
        latent = (turns, nothing, net, pictures(), layer)
        return [
            theirs.latent_g_eed(*latent, distance="euclidean"),
            theirs.latent_g_eed(*latent, distance="cosine sim"),
            theirs.softmax_g_eed(turns, net, pictures()),
        ]

    own, own_cost = timed(ours)
    values, cost = timed(published)
    names = ("latent, l2, normaliser 1", "latent, 1 + our cosine form", "softmax")
    return {
        "what": "G-EED under the quarter turns",
        "numbers": {
            name: judged(apart(torch.tensor([a]), torch.tensor([b])), 1e-4)
            for name, a, b in zip(names, own, values, strict=True)
        },
        "ours": own_cost,
        "theirs": cost,
    }


def lie_deriv() -> dict:
    """The derivative along rotations at the first layer; time and memory of all layers."""
    with on_path(os.environ["LIE_DERIV"], ""):
        theirs = imported("lee.layerwise_lee")
    theirs.torch = _OnTheCpu()
    from invariscope.metrics.lie_derivative import LIE_DERIVATIVE
    from invariscope.models import load_model
    from invariscope.sweep import lie
    from invariscope.transformations import get_transformation

    net, images = network(), pictures()
    net[-1] = nn.Linear(32, 1000)  # theirs wants a thousand classes
    cells = lie.lie_cells([get_transformation("rotate")])

    def ours():
        values = lie.lie_values(
            load_model(net), images, ["0", "2", "4", "6"], cells, [LIE_DERIVATIVE]
        )
        return {each.layer: each.values for each in values}

    own, own_cost = timed(ours)
    first = net[0]
    moved = theirs.rotation_lie_deriv(first, images.requires_grad_(True))
    squares = moved.detach().square().flatten(1).mean(1)
    theirs.apply_hooks(net, "rotation")
    probes = 5

    def published():
        for image in images[:4].detach().split(1):
            theirs.compute_equivariance_attribution(net, image, num_probes=probes)

    _, cost = timed(published)
    both = torch.stack([own["0"], squares.double()])
    return {
        "what": "squared Lie derivative along rotations at the first layer, image by image",
        "numbers": {**apart(own["0"], squares), "correlation": float(both.corrcoef()[0, 1])},
        "ours": {**own_cost, "what": f"{IMAGES} images, 4 layers, exact"},
        "theirs": {**cost, "what": f"4 images, all layers, {probes} of its 100 probes"},
    }


class _OnTheCpu:
    """Torch, whose every device is the CPU: the layer-wise form names cuda itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def device(*_: object) -> torch.device:
        """The CPU."""
        return torch.device("cpu")


def imported(name: str) -> Any:
    """Imports a module; names of timm that are no longer there are taken as layers nobody uses."""
    import types

    for _ in range(40):
        try:
            return importlib.import_module(name)
        except ImportError as problem:
            missing, what = problem.name or "", str(problem)
            if not missing.startswith("timm"):
                raise
            if isinstance(problem, ModuleNotFoundError):
                sys.modules[missing] = types.ModuleType(missing)
            else:
                wanted = what.split("'")[1]
                absent = type(wanted, (nn.Module,), {})
                setattr(sys.modules[missing], wanted, absent)
    raise ImportError(name)


@contextmanager
def on_path(folder: str, below: str) -> Iterator[None]:
    """Lets modules of a folder be imported inside the context."""
    place = os.path.join(folder, below)
    if not os.path.isdir(place):
        raise ImportError(f"there is no folder {place}")
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)


#: What each needs to be there: a package, or the variable that names a folder.
NEEDS = {"tmeasures": "", "tagtorch": "TAGTORCH", "lie-deriv": "LIE_DERIV"}
PARTS = {"tmeasures": tmeasures, "tagtorch": tagtorch, "lie-deriv": lie_deriv}


def numbers_of(name: str) -> dict:
    """The comparison with a peer, or why there is none."""
    variable = NEEDS[name]
    if variable and not os.environ.get(variable):
        return {"missing": f"set {variable} to a folder with its repository"}
    try:
        return PARTS[name]()
    except ImportError as problem:
        return {"missing": f"{name} cannot be imported: {problem}"}
