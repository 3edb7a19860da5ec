"""Trains and measures for studies, and keeps what is finished: the laboratory.

Whatever a study asks for is a job (`jobs.py`). The laboratory reads those that are finished, has
its executor do the others, and returns results in the order of the questions. Two studies that ask
for the same training share it; a study that was interrupted goes on where it stopped.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from invariscope.errors import InputError, RunError
from invariscope.studies.lab import job_kinds
from invariscope.studies.lab.executor import Executor, InProcess, Outcome
from invariscope.studies.lab.jobs import JobResult, StudyJob, finished

if TYPE_CHECKING:
    from invariscope.results import Result
    from invariscope.search import Factors
    from invariscope.training import Distances, Recipe, TrainedRun, Transfer

JOBS = Path("runs") / "jobs"


@runtime_checkable
class LabProgress(Protocol):
    """Receives a study's progress, for a progress bar or a log."""

    def start(self, what: str, *, jobs: int, done: int) -> None:
        """A set of jobs begins: how many in all, and how many are finished already."""

    def advance(self, result: JobResult) -> None:
        """A job is finished."""

    def note(self, text: str) -> None:
        """Something worth knowing, one line."""


class SilentLab:
    """Tells nothing."""

    def start(self, what: str, *, jobs: int, done: int) -> None:
        """Ignored."""

    def advance(self, result: JobResult) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""


class Lab:
    """Does jobs, or reads them where they are finished.

    Args:
        jobs: The folder of all jobs.
        executor: What executes them; by default this process.
        progress: Told what goes on.

    Attributes:
        used: Every job that was asked for, by key, in the order of asking.
    """

    def __init__(
        self,
        jobs: str | Path = JOBS,
        *,
        executor: Executor | None = None,
        progress: LabProgress | None = None,
    ):
        self.folder = Path(jobs)
        self.executor = executor or InProcess()
        self.progress = progress or SilentLab()
        self.used: dict[str, JobResult] = {}

    def run(self, jobs: Sequence[StudyJob], what: str = "jobs") -> list[JobResult]:
        """Does the jobs that are not finished.

        Args:
            jobs: What is wanted; the same job twice is done once.
            what: What they are, in words, for the progress.

        Returns:
            One result per job, in the same order.

        Raises:
            InputError: A job's settings cannot work; the others are not tried.
            RunError: Jobs failed; all others were done and are kept.
        """
        wanted = {job.key: job for job in jobs}
        there = {key: finished(self.folder / key) for key in wanted}
        results = {
            key: JobResult(wanted[key], self.folder / key, seconds, reused=True)
            for key, seconds in there.items()
            if seconds is not None
        }
        missing = [job for key, job in wanted.items() if key not in results]
        self.progress.start(what, jobs=len(wanted), done=len(results))
        failed: list[Outcome] = []
        outcomes = iter(self.executor.outcomes(missing, self.folder)) if missing else iter(())
        try:
            for outcome in outcomes:
                if outcome.error is not None:
                    failed.append(outcome)
                    self.progress.note(f"{outcome.job.describe()} failed: {outcome.error}")
                    if outcome.wrong_input:
                        break
                    continue
                key = outcome.job.key
                results[key] = JobResult(
                    outcome.job, self.folder / key, outcome.seconds, reused=False
                )
                self.progress.advance(results[key])
        finally:
            close = getattr(outcomes, "close", None)
            if close is not None:  # stops the processes of a pool
                close()
        if failed:
            raise _failure(failed, len(wanted), len(results))
        for key in wanted:
            self.used.setdefault(key, results[key])
        return [results[job.key] for job in jobs]

    def train(
        self,
        recipes: "Iterable[Recipe]",
        *,
        hook: str | None = None,
        every: int | None = None,
        hook_settings: Mapping[str, Any] | None = None,
        what: str = "training",
    ) -> "list[TrainedRun]":
        """Trains by recipes, one job each.

        Args:
            recipes: What to train.
            hook: "package.module:function": function(**hook_settings) returns what measures the
                network during training, (probe, iteration) -> {name: number}.
            every: Iterations between two calls of it.
            hook_settings: Its settings; they belong to the job's key.
            what: For the progress.
        """
        jobs = []
        for recipe in recipes:
            settings: dict[str, Any] = {"recipe": recipe.as_dict()}
            if hook is not None:
                given = dict(hook_settings or {})
                settings |= {"hook": hook, "every": every, "hook_settings": given}
            jobs.append(StudyJob("train", settings))
        return [job_kinds.read_training(result.folder) for result in self.run(jobs, what)]

    def measure(
        self,
        models: "str | TrainedRun | Sequence[str | TrainedRun]",
        data: str | Sequence[str],
        *,
        what: str = "measuring",
        seeds: Sequence[int] | None = None,
        **settings: Any,
    ) -> "list[Result]":
        """Measures models, one job each.

        Args:
            models: Specs, or trainings of this laboratory.
            data: A data spec, or one for each model.
            what: For the progress.
            seeds: The setting ``seed`` of each model's run: it chooses the images, and the weights
                of an untrained model.
            **settings: Those of `invariscope.measure`, as JSON can hold them.

        Returns:
            One result per model.
        """
        jobs = self._jobs("measure", models, data, seeds, settings)
        return [job_kinds.read_measure(result.folder) for result in self.run(jobs, what)]

    def find_factors(
        self,
        models: "str | TrainedRun | Sequence[str | TrainedRun]",
        data: str | Sequence[str],
        *,
        what: str = "searching pairs",
        seeds: Sequence[int] | None = None,
        **settings: Any,
    ) -> "list[Factors]":
        """Searches what varies in data, one job per model.

        Args:
            models: Specs, or trainings of this laboratory.
            data: A data spec, or one for each model.
            what: For the progress.
            seeds: The setting ``seed`` of each model's search.
            **settings: Those of `invariscope.find_factors`, as JSON can hold them.
        """
        jobs = self._jobs("factors", models, data, seeds, settings)
        return [job_kinds.read_factors(result.folder) for result in self.run(jobs, what)]

    def transfer(
        self,
        models: "str | TrainedRun | Sequence[str | TrainedRun]",
        data: str | Sequence[str],
        *,
        what: str = "transferring",
        **settings: Any,
    ) -> "list[Transfer]":
        """Fits a new last layer on each model's features, one job per model.

        Args:
            models: Specs, or trainings of this laboratory.
            data: Spec of the images to fit on, or one for each model.
            what: For the progress.
            **settings: Those of `training.transfer`, as JSON can hold them.
        """
        jobs = self._jobs("transfer", models, data, None, settings)
        return [job_kinds.read_transfer(result.folder) for result in self.run(jobs, what)]

    def distances(
        self,
        models: "str | TrainedRun | Sequence[str | TrainedRun]",
        data: str | Sequence[str],
        *,
        what: str = "distances of features",
        **settings: Any,
    ) -> "list[Distances]":
        """Measures how each model's features lie to one another, one job per model.

        Args:
            models: Specs, or trainings of this laboratory.
            data: Spec of images that have twins, or one for each model.
            what: For the progress.
            **settings: Those of `training.representation_distances`, as JSON can hold them.
        """
        jobs = self._jobs("distances", models, data, None, settings)
        return [job_kinds.read_distances(result.folder) for result in self.run(jobs, what)]

    @property
    def seconds(self) -> float:
        """Sums what the jobs that were asked for took when they were done."""
        return sum(result.seconds for result in self.used.values())

    def spec(self, model: "str | TrainedRun", *, untrained: bool = False) -> str:
        """The model as a job's settings name it: a training by its key, not by its folder.

        Args:
            model: A spec, or a training of this laboratory.
            untrained: Its untrained twin instead.
        """
        if isinstance(model, str):
            name = model
        else:
            folder = getattr(model, "folder", None)
            if folder is None:
                raise InputError("a training without a folder cannot be measured: use Lab.train")
            folder = Path(folder)
            ours = folder.parent.parent.resolve() == self.folder.resolve()
            name = f"{job_kinds.TRAINED_JOB}{folder.parent.name}" if ours else f"trained:{folder}"
        return f"{name}+untrained" if untrained else name

    def _jobs(
        self,
        kind: str,
        models: "str | TrainedRun | Sequence[str | TrainedRun]",
        data: str | Sequence[str],
        seeds: Sequence[int] | None,
        settings: Mapping[str, Any],
    ) -> list[StudyJob]:
        several: list[Any] = [models]
        if isinstance(models, Sequence) and not isinstance(models, str):
            several = list(models)
        sources = [data] * len(several) if isinstance(data, str) else list(data)
        for what, values in (("data specs", sources), ("seeds", seeds)):
            if values is not None and len(values) != len(several):
                raise InputError(f"{len(values)} {what} for {len(several)} models: give one each")
        plain = _plain(settings)
        return [
            StudyJob(
                kind,
                {"model": self.spec(model), "data": source, **plain}
                | ({} if seeds is None else {"seed": int(seeds[index])}),
            )
            for index, (model, source) in enumerate(zip(several, sources, strict=True))
        ]


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with lists for tuples, so that both have the same key."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()
    }


def _failure(failed: Sequence[Outcome], wanted: int, done: int) -> InputError | RunError:
    chosen = next((outcome for outcome in failed if outcome.wrong_input), failed[0])
    what = f"{chosen.job.describe()}: {chosen.error}"
    if chosen.wrong_input:
        return InputError(what)
    more = f" (and {len(failed) - 1} more failed)" if len(failed) > 1 else ""
    error = RunError(
        f"{what}{more}; {done} of {wanted} jobs are finished and kept, the same command goes on"
    )
    if chosen.details:
        error.add_note(chosen.details)
    return error
