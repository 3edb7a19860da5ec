"""Defines the kinds of jobs: trainings, measurements, searches, transfers, distances of features.

Each has a run folder of its own in the job's, `JOBS/KEY/run/`: one function writes it, another
reads it. A model is a spec, or "job:KEY" for what the training job of that key left behind
("job:KEY+untrained": its untrained twin), so that a key does not depend on where the jobs lie.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.errors import InputError
from invariscope.studies.lab.jobs import job_kind

if TYPE_CHECKING:
    from invariscope.results import Result
    from invariscope.search import Factors
    from invariscope.training import Distances, TrainedRun, Transfer

TRAINED_JOB = "job:"
RUN = "run"


@job_kind("train", resumes=True)
def write_training(settings: Mapping[str, Any], folder: Path) -> None:
    """Trains by a recipe; a training that was killed goes on from its checkpoint.

    Test images are seen at the end only: no study asks for more.
    """
    from invariscope.training import Recipe, train

    hook = None
    if "hook" in settings:
        hook = _named(settings["hook"])(**settings["hook_settings"])
    train(
        Recipe.from_dict(settings["recipe"]),
        output=folder / RUN,
        hook=hook,
        every=settings.get("every"),
        evaluate_every=None,
    )


def read_training(folder: Path) -> "TrainedRun":
    """Reads what `write_training` left in a folder."""
    from invariscope.training import read_run

    return read_run(folder / RUN)


@job_kind("measure", resumes=True)
def write_measure(settings: Mapping[str, Any], folder: Path) -> None:
    """Calls `invariscope.measure`."""
    from invariscope.sweep import measure

    model, data, more = _split(settings, folder)
    measure(model, data, output=folder / RUN, workers=0, **more)


def read_measure(folder: Path) -> "Result":
    """Reads what `write_measure` left in a folder."""
    from invariscope.results import Result

    return Result.load(folder / RUN)


@job_kind("factors", resumes=True)
def write_factors(settings: Mapping[str, Any], folder: Path) -> None:
    """Calls `invariscope.find_factors`."""
    from invariscope.search import find_factors

    model, data, more = _split(settings, folder)
    find_factors(model, data, output=folder / RUN, workers=0, **more)


def read_factors(folder: Path) -> "Factors":
    """Reads what `write_factors` left in a folder."""
    from invariscope.search import Factors

    return Factors.load(folder / RUN)


@job_kind("transfer")
def write_transfer(settings: Mapping[str, Any], folder: Path) -> None:
    """Calls `training.transfer`."""
    from invariscope.training import transfer

    model, data, more = _split(settings, folder)
    transfer(model, data, workers=0, **more).save(folder / RUN)


def read_transfer(folder: Path) -> "Transfer":
    """Reads what `write_transfer` left in a folder."""
    from invariscope.training import Transfer

    return Transfer.load(folder / RUN)


@job_kind("distances")
def write_distances(settings: Mapping[str, Any], folder: Path) -> None:
    """Calls `training.representation_distances`."""
    from invariscope.training import representation_distances

    model, data, more = _split(settings, folder)
    representation_distances(model, data, workers=0, **more).save(folder / RUN)


def read_distances(folder: Path) -> "Distances":
    """Reads what `write_distances` left in a folder."""
    from invariscope.training import Distances

    return Distances.load(folder / RUN)


def _split(settings: Mapping[str, Any], folder: Path) -> tuple[str, str, dict[str, Any]]:
    more = dict(settings)
    model, data = more.pop("model"), more.pop("data")
    if model.startswith(TRAINED_JOB):
        key, plus, end = model.removeprefix(TRAINED_JOB).partition("+")
        model = f"trained:{folder.parent / key / RUN}{plus}{end}"
    return model, data, more


def _named(name: str) -> Any:
    """Imports what "package.module:name" stands for."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as problem:
        raise InputError(f"hook {name!r}: {problem}; write package.module:function") from problem
