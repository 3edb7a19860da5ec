"""Says what a pass is known by: all that its numbers depend on, to the last bit.

Rounding depends on the whole pass: kernels add up in another order for another number of images or
threads. So an entry is known by the network, by everything that goes through it together, and by
the layer. Equal identities are equal computations, and the vectors are those of a run without a
cache. In detail:

- the network: the digest of its weights, its normalisation, its arithmetic, the device, the number
  of threads, the versions of invariscope and torch, and what it *does*: the bits of what it gives
  for two pictures of noise at the size of the images. That tells code apart that has the same
  weights (another activation, another type, another pooling);
- the images: a digest of the pixels of all images of the block, in order, as they are shown to the
  network before they are moved, so resizing, decoding and value range are in it;
- the operations of the pass, in order: of each step its name, its resampling and the magnitudes
  that were drawn for these images, and the bits of what it makes of two pictures of noise, which
  tells the code of a family of one's own;
- how many images go through at a time;
- the layer: its name, and the bits of what it gives for the noise.

A plain callable has no weights; what draws random numbers gives others the next time: neither has
an identity.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from invariscope.data.digests import digest_of_pixels
from invariscope.errors import InvariscopeError
from invariscope.files import versions
from invariscope.models import Probe
from invariscope.randomness import watched_generators
from invariscope.seeding import generator
from invariscope.transformations import Operation
from invariscope.version import VERSION

#: The layer that every model has; the bits of what it gives belong to each layer's identity.
_ALWAYS = "embedding"
_PICTURES = 2
#: The side of the noise that operations are shown.
_CORNER = 64


class NoIdentity(Exception):
    """Says in words why there is none."""


@dataclass(frozen=True)
class Shown:
    """The images of a block, as they are before they are moved.

    Args:
        pixels: As they are read, uint8 or float [image, band, height, width], on the CPU.
        ids: Their ids.
        seed: Of what is drawn for them.
    """

    pixels: Tensor
    ids: Sequence[str]
    seed: int

    @property
    def frame(self) -> tuple[int, ...]:
        """Bands, height and width."""
        return tuple(self.pixels.shape[1:])

    @cached_property
    def digest(self) -> str:
        """The digest of all pixels."""
        return digest_of_pixels(self.pixels)


@dataclass(frozen=True)
class NetworkIdentity:
    """What a network is known by at some layers.

    Args:
        name: The network as a whole.
        layers: By the layer's name.
    """

    name: str
    layers: dict[str, str]


def identify_network(
    probe: Probe, layers: Sequence[str], frame: tuple[int, ...]
) -> NetworkIdentity:
    """Identifies a network by its weights and by what it gives for pictures of noise.

    Args:
        probe: The network.
        layers: Names of layers.
        frame: Bands, height and width of its images.

    Raises:
        NoIdentity: There is none.

    Example:
        >>> from torch import nn
        >>> from invariscope.models import load_model
        >>> probe = load_model(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)))
        >>> list(identify_network(probe, ["logits"], (3, 2, 2)).layers)
        ['logits']
    """
    if probe.module is None:
        raise NoIdentity("a plain callable has no weights that it is known by")
    pictures = _noise(frame).to(probe.device)
    # As in the passes of the run wherever possible: another order may be computed in another way.
    wanted = list(layers) if _ALWAYS in layers else [_ALWAYS, *layers]

    def bits() -> dict[str, str]:
        vectors = probe.forward(pictures, wanted).vectors
        return {layer: _digest_of(values) for layer, values in vectors.items()}

    try:
        given = _twice(bits, probe.device)
    except (InvariscopeError, torch.OutOfMemoryError) as problem:
        raise NoIdentity(f"it fails on pictures of noise ({problem})") from problem
    if given is None:
        raise NoIdentity("two passes over the same pictures differ, or draw random numbers")
    how = probe.preprocessing
    name = digest_of_json([
        VERSION, versions("torch"), probe.weights_hash, probe.arithmetic,
        probe.running_weights, _device(probe.device),
        frame, how.mean, how.std, how.channels, how.channel_order, given[_ALWAYS],
    ])  # fmt: skip
    return NetworkIdentity(name, {layer: digest_of_json([layer, given[layer]]) for layer in layers})


def identify_operation(operation: Operation, frame: tuple[int, ...]) -> str:
    """Identifies what an operation does, apart from what is drawn for an image.

    Args:
        operation: The operation.
        frame: Bands, height and width of the images; a corner of them is enough.

    Raises:
        NoIdentity: It draws random numbers that do not come from the seed, or fails on the noise.

    Example:
        >>> from invariscope.transformations import get_transformation
        >>> turn = Operation("turn", ((get_transformation("rotate"), 2),))
        >>> identify_operation(turn, (3, 8, 8)) == identify_operation(Operation("as is"), (3, 8, 8))
        False
    """
    bands, height, width = frame
    noise = _noise((bands, min(height, _CORNER), min(width, _CORNER)))
    ids = [str(number) for number in range(_PICTURES)]
    try:
        bits = _twice(lambda: _digest_of(operation(noise, 0, ids)), noise.device)
    except Exception as problem:  # a family of one's own may raise anything
        raise NoIdentity(f"it fails on pictures of noise ({problem})") from problem
    if bits is None:
        raise NoIdentity("it draws random numbers that do not come from the seed")
    steps = [
        [t.operation(level), repr(t.resampling) if t.kind == "geometric" else ""]
        for t, level in operation.acting
    ]
    return digest_of_json([steps, operation.there_and_back, bits])


def drawn_for(operation: Operation, shown: Shown) -> list[list[Any]]:
    """Lists of each step the magnitudes, one for each image or one for all, and the seeds."""
    return [
        [
            transformation.drawn(level, shown.seed, shown.ids).tolist(),
            transformation.seeds(shown.seed, shown.ids),
        ]
        for transformation, level in operation.acting
    ]


def digest_of_json(content: Any) -> str:
    """Digests what JSON can hold: 32 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def _twice(compute: Callable[[], Any], device: torch.device) -> Any:
    """Computes something twice; None where the two differ or draw from a random generator."""
    with watched_generators(device) as drawn:
        first, second = compute(), compute()
        return first if first == second and not drawn() else None


@lru_cache(maxsize=8)
def _noise(frame: tuple[int, ...]) -> Tensor:
    """Two pictures of noise in [0, 1], the same ones for ever."""
    numbers = generator(0, "cache").random((_PICTURES, *frame))
    return torch.from_numpy(numbers).float()


def _digest_of(values: Tensor) -> str:
    return digest_of_pixels(values.cpu().contiguous())


def _device(device: torch.device) -> list[Any]:
    if device.type == "cuda":
        return ["cuda", torch.cuda.get_device_name(device), torch.version.cuda]
    capability = torch.backends.cpu.get_cpu_capability()
    return [device.type, capability, torch.get_num_threads()]
