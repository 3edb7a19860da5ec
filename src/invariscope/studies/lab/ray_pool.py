"""Executes the jobs of a study by actors of Ray, on this machine or on all of a cluster's.

Every machine must see the working folder and the folder of the jobs at the same place, such as on
a network drive: jobs read the results of others there, and the study reads all.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from invariscope.errors import InputError
from invariscope.own_actor import Cluster
from invariscope.studies.lab.executor import Outcome, Pool, Staff, not_shared
from invariscope.studies.lab.jobs import StudyJob, finished


class RayPool(Pool):
    """Executes jobs by actors of Ray.

    Args:
        workers: How many at once; None: one for each GPU, or else for each core.
        address: The cluster's, such as "auto" or "ray://host:10001"; None starts Ray here.

    Attributes:
        workers: How many at once.

    Raises:
        InputError: Fewer than 1; Ray is not installed, or no cluster answers.
    """

    def __init__(self, workers: int | None = None, address: str | None = None):
        if workers is not None and workers < 1:
            raise InputError(f"workers={workers}: give 1 or more")
        self._cluster = Cluster(address)  # for all sets of jobs; Ray ends with the process
        self._on_gpu = self._cluster.gpus > 0
        self.workers = self._cluster.count(workers, on_gpu=self._on_gpu)

    def staff(self, jobs: int) -> Staff:
        """See `Pool`."""
        cluster, size = self._cluster, min(self.workers, jobs)
        share = cluster.share(size, on_gpu=self._on_gpu)
        return Staff(size, partial(cluster.hire, *share), cluster.lost)

    def outcomes(self, jobs: Sequence[StudyJob], folder: Path) -> Generator[Outcome, None, None]:
        """See `Executor`."""
        with closing(super().outcomes(jobs, folder)) as outcomes:
            for outcome in outcomes:
                lost = outcome.error is None and finished(folder / outcome.job.key) is None
                if lost:
                    why = f"it ended elsewhere and {folder / outcome.job.key} is not here"
                    yield not_shared(outcome.job, why)
                else:
                    yield outcome
