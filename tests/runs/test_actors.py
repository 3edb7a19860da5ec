"""Actors of Ray, on a cluster of three nodes on this machine, end with the bytes of one process."""

import sys

import cloudpickle
import numpy as np
import pytest
import torch

import invariscope
from invariscope.errors import InputError
from invariscope.runs.manifest import read_manifest
from invariscope.runs.progress import Silent

PICTURES = np.random.default_rng(0).integers(0, 256, (260, 8, 8, 3), dtype=np.uint8)
ASKED = {"images": PICTURES, "transformations": "rotate=90,invert"}

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(5, 192, generator=generator))

    def forward(self, images):
        return images.flatten(1) @ self.weight.T


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def cluster(ray_home):
    ray = pytest.importorskip("ray")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", ray_home)
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        yield cluster, [cluster.add_node(num_cpus=1) for _ in range(2)]
        ray.shutdown()
        cluster.shutdown()


class Kills(Silent):
    """Removes a node of the cluster once some blocks are there."""

    def __init__(self, cluster, nodes):
        self.cluster, self.nodes, self.passes = cluster, nodes, 0

    def advance(self, passes):
        self.passes += passes
        if self.passes > 3 * 96 and len(self.nodes) == 2:
            self.cluster.remove_node(self.nodes.pop())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_three_nodes_of_which_one_dies_end_with_the_bytes_of_one_process(cluster, tmp_path):
    invariscope.measure(Network(), output=tmp_path / "one", **ASKED)
    cluster, nodes = cluster
    invariscope.measure(
        Network(), output=tmp_path / "ray", engine="ray", address=cluster.address,
        progress=Kills(cluster, nodes), **ASKED,
    )  # fmt: skip
    assert files(tmp_path / "one") == files(tmp_path / "ray")
    assert len(nodes) == 1
    done = read_manifest(tmp_path / "ray")["execution"]["measured_by"]
    assert sum(done.values()) == 9
    assert set(done) <= {"actor 1", "actor 2", "actor 3"}


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'invariscope\[ray\]'"):
        invariscope.measure(Network(), engine="ray", **ASKED)
