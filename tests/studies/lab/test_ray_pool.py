"""Jobs of studies by actors of Ray on this machine; the same tests as for processes, in short."""

import os
import sys
from importlib import import_module
from typing import Any

import pytest

from invariscope.errors import InputError, RunError
from invariscope.studies.lab.jobs import StudyJob
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.ray_pool import RayPool
from invariscope.studies.lab.running import lab_of
from oracles.jobs import found

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster(ray_home):
    ray: Any = import_module("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", ray_home)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # for oracles.jobs
        context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield context.address_info["address"]
        ray.shutdown()


def doubles(*numbers, **more):
    return [StudyJob("double", {"number": number, **more}) for number in numbers]


def test_results_come_in_order_and_a_dead_actor_costs_its_job(tmp_path, cluster, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = RayPool(address=cluster)
    lab = Lab("jobs", executor=pool)
    assert [found(result) for result in lab.run(doubles(3, 1, 3, 2))] == [6, 2, 6, 4]
    assert pool.workers == 2
    jobs = [*doubles(9, error="die"), *doubles(4, 3)]
    with pytest.raises(RunError, match=r"its process died .*; 2 of 3 jobs are finished and kept"):
        lab.run(jobs)
    again = Lab("jobs").run(doubles(3, 4))
    assert [(found(result), result.reused) for result in again] == [(6, True), (8, True)]


def test_folders_that_are_not_shared_are_named(tmp_path, cluster, monkeypatch):
    from invariscope.studies.lab import ray_pool

    monkeypatch.setattr(ray_pool, "finished", lambda folder: None)
    with pytest.raises(InputError, match=r"is not here: the working folder .* must be shared by"):
        Lab(tmp_path, executor=RayPool(1, cluster)).run(doubles(1))


def test_wrong_engines():
    with pytest.raises(InputError, match="workers=0: give 1 or more"):
        lab_of("jobs", 0, engine="ray")
    with pytest.raises(InputError, match="engine must be local or ray, not 'slurm'"):
        lab_of("jobs", 1, engine="slurm")
    with pytest.raises(InputError, match="address='auto' is a Ray cluster's: say engine='ray'"):
        lab_of("jobs", 1, address="auto")
