"""Tasks of Transforms-2D, and what networks trained on one are worth on another (paper 004).

A task is a set of objects and the transformations that they undergo; the class is the object. A
network is trained on one, kept up to its penultimate layer, and gets a new last layer for another.
Which objects and which transformations, and every background and parameter, are drawn anew for each
training seed, as in the paper; objects are neighbours in the list of the prototypes. Of several
transformations, translation is the last one that is applied.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from invariscope.data.transforms2d.prototypes import COLUMNS, prototype_source, prototypes
from invariscope.data.transforms2d.scenes import scenes
from invariscope.data.transforms2d.source import default_backgrounds
from invariscope.errors import InputError
from invariscope.seeding import generator
from invariscope.studies.lab.lab import Lab

if TYPE_CHECKING:
    from invariscope.training import Recipe, TrainedRun, Transfer

#: The paper's eight categories, in the words of the table `transforms2d`.
CATEGORIES = (
    "translation", "rotation", "scale", "horizontal_flip", "vertical_flip", "blur", "sharpening",
    "color_jitter",
)  # fmt: skip
#: The paper's architectures, for images of 32 pixels.
ARCHITECTURES = ("small:resnet18", "small:vgg11", "small:densenet121")


@dataclass(frozen=True)
class Tasks:
    """Says what networks are trained on, and how; `--set NAME=VALUE` changes one.

    Attributes:
        prototypes: Whose objects: ``hf:tillspeicher/transforms_2d_base``, ``stamps``, ``emoji``,
            ``shapes``.
        models: The networks.
        classes: Objects in a task.
        transformations: Categories in a task, where it has several.
        size: Side of the images.
        num_train: Images to train on.
        num_test: Images to test on.
        epochs: Passes over them.
        batch_size: Images per step.
        learning_rate: Of Adam.
        schedule: How it falls.
        seeds: Training seeds.
        method: How a new last layer is fitted: ``adam`` (the paper's) or ``lbfgs``.
        probe_train: Images that it is fitted on; None takes as many as to train on.
    """

    prototypes: str = "hf:tillspeicher/transforms_2d_base"
    models: tuple[str, ...] = ARCHITECTURES[:1]
    classes: int = 30
    transformations: int = 3
    size: int = 32
    num_train: int = 50_000
    num_test: int = 10_000
    epochs: float = 50.0
    batch_size: int = 512
    learning_rate: float = 1e-3
    schedule: str = "constant"
    seeds: tuple[int, ...] = tuple(range(10))
    method: str = "adam"
    probe_train: int | None = None


#: What the presets of the studies share.
SMOKE: Mapping[str, Any] = {
    "prototypes": "shapes",
    "models": ("small:cnn7?width=0.2&channels=3",),
    "classes": 4,
    "size": 12,
    "num_train": 96,
    "num_test": 48,
    "epochs": 2.0,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "seeds": (0, 1),
    "method": "lbfgs",
}
LAPTOP: Mapping[str, Any] = {
    "prototypes": "stamps",
    "models": ("small:resnet18?width=0.125",),
    "classes": 15,
    "size": 24,
    "num_train": 6000,
    "num_test": 1000,
    "epochs": 5.0,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "seeds": (0, 1, 2),
    "method": "lbfgs",
    "probe_train": 2000,
}


@dataclass(frozen=True)
class Task:
    """Objects and their transformations.

    Attributes:
        transformations: In the order in which they are applied; "none" for none. Lists separated
            by "/" go to equal shares of the objects.
        first: Place of the first object in the list of the prototypes.
        classes: How many objects.
        seed: Of backgrounds and parameters.
    """

    transformations: str
    first: int
    classes: int
    seed: int

    def images(self, settings: Tasks, num: int, split: str = "train") -> str:
        """Spec of a number of its images."""
        return (
            f"transforms2d:{settings.prototypes}?transformations={self.transformations}"
            f"&classes={self.classes}&first={self.first}&split={split}&num={num}"
            f"&size={settings.size}&seed={self.seed}"
        )


@dataclass(frozen=True)
class Learner:
    """A network to train, and the tasks that it is to be transferred to.

    Attributes:
        model: Spec of the architecture.
        task: What it is trained on.
        targets: Tasks by name.
        about: Further columns of its rows.
    """

    model: str
    task: Task
    targets: Mapping[str, Task]
    about: Mapping[str, Any] = field(default_factory=dict)


def train_all(lab: Lab, settings: Tasks, networks: Sequence[Learner]) -> "list[TrainedRun]":
    """The trained networks, in order."""
    return lab.train([recipe_of(settings, network) for network in networks])


def recipe_of(settings: Tasks, network: Learner) -> "Recipe":
    """Makes the recipe of a network."""
    from invariscope.training import Recipe

    return Recipe(
        data=network.task.images(settings, settings.num_train),
        model=network.model,
        test=network.task.images(settings, settings.num_test, "test"),
        seed=network.task.seed,
        **how_trained(settings),
    )


def how_trained(settings: Any) -> dict[str, Any]:
    """The values of a recipe that all networks of paper 004 have, by `Tasks` or `Pasted`."""
    return {
        "augment": "whole image",
        "size": settings.size,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "optimizer": "adam",
        "learning_rate": settings.learning_rate,
        "weight_decay": 0.0,
        "schedule": settings.schedule,
    }


def transferred(
    lab: Lab, runs: "Sequence[TrainedRun]", networks: Sequence[Any], images: Callable, **how: Any
) -> "Iterator[tuple[Any, str, TrainedRun, Transfer]]":
    """Transfers trained networks to their targets.

    Args:
        lab: Where it works.
        runs: The trained networks.
        networks: What they are, each with `targets`.
        images: Gives the spec of the images of (network, name of a target).
        **how: As for `Lab.transfer`.

    Yields:
        Network, name of the target, training, transfer.
    """
    pairs = [(n, name, run) for n, run in zip(networks, runs, strict=True) for name in n.targets]
    results = lab.transfer(
        [run for *_, run in pairs], [images(network, name) for network, name, _ in pairs], **how
    )
    yield from ((*pair, result) for pair, result in zip(pairs, results, strict=True))


def transfers(lab: Lab, settings: Tasks, networks: Sequence[Learner]) -> pd.DataFrame:
    """Trains the networks and transfers each to its targets.

    Returns:
        One row per network and target: what the network is (``model``, ``seed``, `about`), what it
        is trained on (``trained_on``), ``own`` (its accuracy there, with its own last layer),
        ``target``, ``tested_on``, ``accuracy``, ``num_test``.
    """
    runs = train_all(lab, settings, networks)
    count = settings.probe_train or settings.num_train

    def images(network: Learner, name: str) -> str:
        return network.targets[name].images(settings, count)

    how = {"method": settings.method, "num_test": min(settings.num_test, count)}
    rows = [
        {
            "model": network.model,
            "seed": network.task.seed,
            **network.about,
            "trained_on": network.task.transformations,
            "own": run.accuracy,
            "target": name,
            "tested_on": network.targets[name].transformations,
            "accuracy": result.accuracy,
            "num_test": len(result.correct),
        }
        for network, name, run, result in transferred(lab, runs, networks, images, **how)
    ]
    return pd.DataFrame(rows)


def per_seed(table: pd.DataFrame, column: str = "accuracy", **which: object) -> np.ndarray:
    """A column's mean for each seed, in the order of the seeds.

    Args:
        table: With a column ``seed``.
        column: Which number.
        **which: Further columns and their values; the mean over what they leave open.

    Example:
        >>> rows = pd.DataFrame({"seed": [1, 0], "target": "a", "accuracy": [0.5, 0.25]})
        >>> per_seed(rows, target="a").tolist()
        [0.25, 0.5]
    """
    chosen = table
    for name, value in which.items():
        chosen = chosen[chosen[name] == value]
    return chosen.groupby("seed", sort=True)[column].mean().to_numpy(dtype=np.float64)


def drawn_transformations(seed: int, count: int, *, sets: int = 2) -> list[str]:
    """Disjoint random sets of the eight categories, each in a random order, translation last.

    Args:
        seed: The training seed.
        count: Categories in a set.
        sets: How many sets.

    Raises:
        InputError: There are not that many categories.

    Example:
        >>> first, second = drawn_transformations(0, 3)
        >>> len(set(first.split("+")) | set(second.split("+")))
        6
    """
    if count < 1 or sets * count > len(CATEGORIES):
        raise InputError(
            f"transformations={count}: {sets} sets of 1 to {len(CATEGORIES) // sets} categories "
            "can be drawn from the eight"
        )
    order = generator(seed, "004 transformations").permutation(len(CATEGORIES))
    names = [CATEGORIES[index] for index in order]
    return [joined(names[k * count : (k + 1) * count]) for k in range(sets)]


def joined(names: Sequence[str]) -> str:
    """Writes categories in the order in which they are applied: as given, translation last.

    An object that is moved first and then turned or scaled would leave its place, and the frame;
    the published code moves last as well.

    Example:
        >>> joined(["translation", "blur", "rotation"])
        'blur+rotation+translation'
    """
    return "+".join(sorted(names, key=lambda name: name == "translation"))


def drawn_objects(settings: Tasks, seed: int, *, sets: int = 2) -> list[int]:
    """Draws where disjoint sets of objects begin in the list of the prototypes, in random order.

    Args:
        settings: Whose prototypes, how many in a set.
        seed: The training seed.
        sets: How many sets.

    Raises:
        InputError: There are not that many prototypes.
    """
    count = num_prototypes(settings.prototypes)
    spare = count - sets * settings.classes
    if spare < 0:
        raise InputError(
            f"classes={settings.classes}: {settings.prototypes} has {count} prototypes; {sets} "
            f"sets of up to {count // sets} work"
        )
    draw = generator(seed, "004 objects")
    gaps = np.sort(draw.integers(0, spare + 1, size=sets))
    starts = gaps + settings.classes * np.arange(sets)
    return [int(start) for start in starts[draw.permutation(sets)]]


def num_prototypes(prototypes: str) -> int:
    """Counts the objects of a list of prototypes.

    Example:
        >>> num_prototypes("shapes")
        100
    """
    return prototype_source(prototypes).count()


def objects_of(name: str) -> pd.DataFrame:
    """Whose pictures the objects are: ``class``, ``name``, ``source``, ``file``, ``licence``.

    Example:
        >>> objects_of("shapes").loc[1, ["name", "licence"]].tolist()
        ['striped star', 'Apache-2.0']
    """
    return pd.DataFrame(prototypes(name).provenance, columns=list(COLUMNS))


def described(settings: Tasks) -> str:
    """Data, networks and seeds, for the record of a claim."""
    return (
        f"transforms2d:{settings.prototypes}, {settings.classes} objects at {settings.size} px, "
        f"{settings.num_train} images, {settings.epochs:g} epochs; {', '.join(settings.models)}; "
        f"{len(settings.seeds)} seeds"
    )


def notes_on(settings: Tasks) -> list[str]:
    """Says what a reader must know about the data and the last layers."""
    notes = [prototype_source(settings.prototypes).credit]
    behind = default_backgrounds(settings.prototypes)
    if not behind.startswith("hf:"):  # its objects' credit is for both
        notes.append(scenes(behind, settings.size).note)
    if not settings.prototypes.startswith("hf:"):
        notes.append(
            f"Objects are {settings.prototypes}, not the paper's; a set of objects is a run of "
            "neighbours in their list, which begins at random for each seed."
        )
    return [*notes, *note_on_method(settings.method)]


def note_on_method(method: str) -> list[str]:
    """Says how new last layers are fitted, where that is not the paper's way.

    Example:
        >>> note_on_method("adam"), len(note_on_method("lbfgs"))
        ([], 1)
    """
    if method != "lbfgs":
        return []
    return [
        "New last layers are logistic regressions fitted to convergence (L-BFGS); the paper "
        "trains them for 25 epochs of Adam (--set method=adam)."
    ]
