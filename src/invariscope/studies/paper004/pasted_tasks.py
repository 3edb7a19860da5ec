"""Pictures with objects pasted on: what 004 §3.2 and §4.1 train on, and transfer to.

X is what the images show: the pictures alone (C), the pictures with a small object each (C+O), the
objects alone on black (O). Y is what is to be predicted: the picture's class (C) or the object (O).
A share α of the objects may be the one that belongs to the picture's class, and a share β of the
pictures may have an object at all. The same four tasks are meant in all three studies, so what one
has trained is there for the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from invariscope.data.transforms2d.prototypes import prototype_source
from invariscope.seeding import generator
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed
from invariscope.studies.paper004.synthetic_tasks import (
    how_trained,
    note_on_method,
    num_prototypes,
    transferred,
)

if TYPE_CHECKING:
    from invariscope.training import Recipe

#: The four tasks, X/Y, in the order of figure 3.
C_C, CO_C, CO_O, O_O = "C/C", "C+O/C", "C+O/O", "O/O"
TASKS = (C_C, CO_C, CO_O, O_O)
_WHAT = {
    C_C: "input=class&label=class",
    CO_C: "input=both&label=class",
    CO_O: "input=both&label=object",
    O_O: "input=object&label=object",
}
_OBJECTS = 10


@dataclass(frozen=True)
class Pasted:
    """Says what networks are trained on, and how; `--set NAME=VALUE` changes one.

    Attributes:
        data: The pictures; None where the preset cannot know.
        objects: Whose objects: ``hf:tillspeicher/transforms_2d_base``, ``stamps``, ``shapes``, ….
        place: Where they lie: in the upper right ``corner``, or ``anywhere``.
        model: The network.
        size: Side of the images.
        num_train: Images to train on; None takes all.
        num_test: Images to test on; None takes all.
        epochs: Passes over them.
        batch_size: Images per step.
        learning_rate: Of Adam.
        schedule: How it falls.
        seeds: Training seeds; each has objects of its own.
        method: How a new last layer is fitted: ``adam`` (the paper's) or ``lbfgs``.
        probe_train: Images that it is fitted on; None takes as many as to train on.
    """

    data: str | None = None
    objects: str = "hf:tillspeicher/transforms_2d_base"
    place: str = "corner"
    model: str = "small:resnet18"
    size: int = 32
    num_train: int | None = None
    num_test: int | None = None
    epochs: float = 200.0
    batch_size: int = 512
    learning_rate: float = 1e-3
    schedule: str = "constant"
    seeds: tuple[int, ...] = tuple(range(10))
    method: str = "adam"
    probe_train: int | None = None


#: What the presets of the studies share.
SMOKE: Mapping[str, Any] = {
    "data": "transforms2d:shapes?classes=10&transformations=rotation&num=160",
    "objects": "shapes",
    "model": "small:cnn7?width=0.2&channels=3",
    "size": 12,
    "num_train": 96,
    "num_test": 32,
    "epochs": 1.0,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "seeds": (0, 1),
    "method": "lbfgs",
}
LAPTOP: Mapping[str, Any] = {
    "data": "fashion-mnist",
    "objects": "stamps",
    "model": "small:resnet18?width=0.125",
    "size": 24,
    "num_train": 5000,
    "num_test": 1000,
    "epochs": 4.0,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "seeds": (0, 1, 2),
    "method": "lbfgs",
    "probe_train": 2000,
}


@dataclass(frozen=True)
class PastedLearner:
    """A network to train, and the tasks that it is to be transferred to.

    Attributes:
        task: One of `TASKS`.
        seed: Training seed.
        alpha: Share of the objects that belong to the picture's class.
        beta: Share of the pictures with an object.
        targets: Some of `TASKS`; there, objects have nothing to do with classes.
    """

    task: str
    seed: int
    alpha: float = 0.0
    beta: float = 1.0
    targets: Sequence[str] = (CO_C, CO_O)


def images(settings: Pasted, task: str, seed: int, *, alpha: float = 0.0, beta: float = 1.0) -> str:
    """Spec of a task's images to train on; pictures without any object are C.

    Raises:
        InputError: The preset does not know where the pictures are.
    """
    data = needed(settings.data, "data", "CIFAR-10, as torchvision:CIFAR10?root=FOLDER")
    if beta == 0 and task == CO_C:
        task, alpha, beta = C_C, 0.0, 1.0
    source, _, query = data.partition("?")
    options = [query] if query else []
    if task in (CO_C, CO_O):
        options.append(f"alpha={alpha:g}&beta={beta:g}")
    first = generator(seed, "004 pasted").integers(
        0, num_prototypes(settings.objects) - _OBJECTS + 1
    )
    if settings.place != "corner":
        options.append(f"place={settings.place}")
    options += [
        _WHAT[task],
        f"objects={settings.objects}&first_object={first}&size={settings.size}&seed={seed}",
    ]
    return f"pasted:{source}?" + "&".join(options)


def recipe_of(settings: Pasted, network: PastedLearner) -> "Recipe":
    """Makes the recipe of a network."""
    from invariscope.training import Recipe

    how = {"alpha": network.alpha, "beta": network.beta}
    return Recipe(
        data=images(settings, network.task, network.seed, **how),
        model=settings.model,
        num_train=settings.num_train,
        num_test=settings.num_test,
        seed=network.seed,
        **how_trained(settings),
    )


def transfers(lab: Lab, settings: Pasted, networks: Sequence[PastedLearner]) -> pd.DataFrame:
    """Trains the networks and transfers each to its targets.

    Returns:
        One row per network and target: ``trained_on``, ``alpha``, ``beta``, ``seed``, ``own`` (its
        accuracy on what it was trained on), ``target``, ``accuracy``, ``num_test``.
    """
    runs = lab.train([recipe_of(settings, network) for network in networks])
    how = {
        "method": settings.method,
        "num_train": settings.probe_train or settings.num_train,
        "num_test": settings.num_test,
    }

    def shown(network: PastedLearner, name: str) -> str:
        return images(settings, name, network.seed)

    rows = [
        {
            "trained_on": network.task,
            "alpha": network.alpha,
            "beta": network.beta,
            "seed": network.seed,
            "own": run.accuracy,
            "target": name,
            "accuracy": result.accuracy,
            "num_test": len(result.correct),
        }
        for network, name, run, result in transferred(lab, runs, networks, shown, **how)
    ]
    return pd.DataFrame(rows)


def transfers_and_references(
    lab: Lab, settings: Pasted, networks: Sequence[PastedLearner]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`transfers` of networks trained on C+O/C, and of those that saw pictures or objects only."""
    references = [PastedLearner(task, seed) for task in (C_C, O_O) for seed in settings.seeds]
    table = transfers(lab, settings, [*networks, *references])
    seen = table["trained_on"] == CO_C
    return table[seen].reset_index(drop=True), table[~seen].reset_index(drop=True)


def described(settings: Pasted) -> str:
    """Data, network and seeds, for the record of a claim."""
    return (
        f"{settings.data} with objects of {settings.objects} at {settings.size} px, "
        f"{settings.num_train or 'all'} images, {settings.epochs:g} epochs; {settings.model}; "
        f"{len(settings.seeds)} seeds"
    )


def notes_on(settings: Pasted) -> list[str]:
    """Says what a reader must know about the data and the last layers."""
    notes = [prototype_source(settings.objects).credit]
    if "CIFAR10" not in str(settings.data):
        notes.append(
            f"The pictures are {settings.data}, not CIFAR-10: another task, more or less hard."
        )
    return [*notes, *note_on_method(settings.method)]
