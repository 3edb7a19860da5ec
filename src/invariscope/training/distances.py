"""Measures how features lie to one another: distance ratio, sensitivity, CKA (004 §4.3).

All are of the penultimate layer, on images whose twins are known: images that differ in one thing
alone, in Transforms-2D the transformation.

- ``ratio``: mean l2 distance between classes / mean within (`metrics.class_distance_ratio`); larger
  is more invariant. ``cosine_ratio``: the same with the cosine distance.
- ``sensitivity``: mean l2 distance to the twin / mean over all pairs of images. Smaller is more
  invariant; 0: twins coincide, 1: a twin is as far away as any image.
- ``cka_twins``: linear CKA of the images and their twins; 1: equal up to a rotation and a scale.
- ``cka_classmates``: linear CKA of the images and other images of their classes. It compares other
  objects' places on both sides, so it is large only if a class is its object alone.

``ratio`` is the paper's, ``sensitivity`` that of the published code, whose baseline is a shuffled
batch instead of all pairs. CKA is biased upwards where images are few.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from invariscope.data import open_source, select
from invariscope.devices import choose_device
from invariscope.errors import InputError
from invariscope.files import undamaged
from invariscope.metrics import class_distance_ratio, linear_cka
from invariscope.models import Probe, load_model
from invariscope.sealed import read_sealed, write_sealed
from invariscope.training.splits import Split
from invariscope.training.transfer import penultimate

_FILE = "distances.json"


@dataclass(frozen=True)
class Distances:
    """The five numbers of the module; NaN where one is undefined."""

    ratio: float
    cosine_ratio: float
    sensitivity: float
    cka_twins: float
    cka_classmates: float
    num_images: int

    def save(self, folder: Path) -> None:
        """Writes `distances.json`; JSON has no NaN nor infinity, so both are text there."""
        values = {
            name: value if math.isfinite(value) else str(value)
            for name, value in asdict(self).items()
        }
        write_sealed(folder / _FILE, values)

    @classmethod
    def load(cls, folder: Path) -> "Distances":
        """Loads what `save` wrote."""
        path, remedy = folder / _FILE, "measure the distances again"
        values = read_sealed(path, remedy)
        with undamaged(path, remedy):
            count = int(values.pop("num_images"))
            return cls(**{name: float(value) for name, value in values.items()}, num_images=count)


def representation_distances(
    model: str | Probe,
    data: str,
    *,
    twin: str = "transformation",
    num_images: int | None = 1000,
    device: str = "auto",
    workers: int | None = None,
) -> Distances:
    """Computes all five numbers of a network on a set of images that has twins.

    Args:
        model: The network, or its spec.
        data: Spec of labelled images that takes ``twin=…`` (`transforms2d`, `pasted`).
        twin: What is drawn anew in the twins.
        num_images: How many, by class in proportion; None takes all.
        device: ``auto``, ``cpu``, ``cuda``, …; a given probe stays where it is.
        workers: Decoding, as for `invariscope.measure`; it changes no number.

    Raises:
        InputError: The images have no labels or no twins, or a spec does not work.
    """
    probe = load_model(model).to(choose_device(device)) if isinstance(model, str) else model
    source = open_source(data)
    twin_source = open_source(f"{data}{'&' if '?' in data else '?'}twin={twin}")
    if source.labels is None:
        raise InputError(f"{data} has no labels; the distance ratio needs classes")
    chosen = select(source, num_images, seed=0)
    images, twins = (
        penultimate(probe, Split(side, chosen), workers=workers) for side in (source, twin_source)
    )
    if images.ids != twins.ids:
        raise InputError(f"{data}: images and twins are not the same ones; twin= must keep ids")
    return distances(images.values, twins.values, images.labels)


def distances(
    features: Float[Tensor, "image feature"],
    twins: Float[Tensor, "image feature"],
    labels: Int64[Tensor, " image"],
) -> Distances:
    """Computes all five numbers from features.

    Args:
        features: Of the images.
        twins: Of their twins, in the same order.
        labels: Class of each image; each class needs two images or more to have classmates.

    Example:
        >>> z = torch.tensor([[0.0], [1.0], [4.0], [5.0]])
        >>> found = distances(z, z, torch.tensor([0, 0, 1, 1]))
        >>> found.ratio, found.sensitivity, found.cka_twins
        (4.0, 0.0, 1.0)
    """
    z, twin_z = features.double(), twins.double()
    apart = (z - twin_z).norm(dim=1).mean()
    everyone = torch.pdist(z).mean()
    return Distances(
        ratio=float(class_distance_ratio(z, labels)),
        cosine_ratio=float(class_distance_ratio(z, labels, distance="cosine")),
        sensitivity=float(apart / everyone),
        cka_twins=float(linear_cka(z, twin_z)),
        cka_classmates=float(linear_cka(z, z[_classmates(labels)])),
        num_images=len(labels),
    )


def _classmates(labels: Tensor) -> Tensor:
    """For each image the next one of its class, cyclically."""
    order = torch.argsort(labels, stable=True)
    sizes = torch.unique(labels, return_counts=True)[1].tolist()
    after = torch.cat([part.roll(-1) for part in order.split(sizes)])
    mate = torch.empty_like(order)
    mate[order] = after
    return mate
