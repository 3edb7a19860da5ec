"""Several processes measure blocks and end with the bytes of one."""

import os
import signal
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import torch

import invariscope
from invariscope.errors import InputError
from invariscope.runs import carry_out_each
from invariscope.runs.manifest import read_manifest
from invariscope.sweep import SweepRequest, prepare
from invariscope.transformations import appearance
from invariscope.transformations.families import FAMILIES

PICTURES = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)

# The module has no name by which another process could import it, as a script has none.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Network(torch.nn.Module):
    """A network that ends its process once, if it is told where to say so."""

    def __init__(self, killed: str = "", seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(5, 192, generator=generator))
        self.killed, self.here = killed, os.getpid()

    def forward(self, images):
        if self.killed and os.getpid() != self.here and len(images) == 32:  # those of a block
            try:
                Path(self.killed).touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return images.flatten(1) @ self.weight.T


def files(folder):
    """The bytes of all tables of a run."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


@pytest.fixture
def darken():
    @appearance("script_darken", unit="×", identity=1.0)
    def change(images, factor):
        return images * factor

    yield "rotate=90,script_darken=0.5"
    del FAMILIES._entries["script_darken"]


def test_two_processes_end_with_the_bytes_of_one_though_one_dies(tmp_path, darken):
    """Two models together, each with the bytes that it has alone; groups of images go with them."""
    groups = pd.DataFrame({"image": range(100), "third": [number % 3 for number in range(100)]})
    asked = {"images": PICTURES, "transformations": darken, "image_groups": groups}
    invariscope.measure(Network(), output=tmp_path / "one", **asked)
    invariscope.measure(Network(seed=1), output=tmp_path / "other", **asked)
    killed = str(tmp_path / "killed")
    sweeps = [
        prepare(SweepRequest(model=network, **asked))
        for network in (Network(killed), Network(seed=1))
    ]
    folders = [tmp_path / "one of two", tmp_path / "other of two"]
    carry_out_each(sweeps, folders, processes=2)
    assert Path(killed).exists()
    for folder in folders:
        # Only the network's word for itself is another: it is no specification.
        alone, together = files(tmp_path / folder.name.split()[0]), files(folder)
        assert list(alone) == list(together)
        assert alone == together
        execution = read_manifest(folder)["execution"]
        assert execution["forward_passes"] == 100 * 3
        assert execution["together"] == 2
        (line,) = execution["events"]
        assert "died while it measured block" in line
    assert files(folders[0]) != files(folders[1])


def test_in_memory_and_for_factors():
    labels = [0, 1] * 50
    found = [
        invariscope.find_factors(
            Network(), (PICTURES, labels), operations="rotate=90,invert", pairs=10,
            processes=processes,
        )
        for processes in (1, 2)
    ]  # fmt: skip
    assert found[0].factors.equals(found[1].factors)
    assert found[0].frame.equals(found[1].frame)


def test_what_builds_on_the_blocks_before_takes_one_process():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    result = invariscope.measure(
        model, PICTURES[:40], groups="flip", metrics="channel_equivariance", processes=2
    )
    (note,) = result.manifest["execution"]["events"]
    assert note.startswith(
        "blocks are measured one after the other, in this process: sums of channels"
    )


def test_what_cannot_be_copied_is_refused_before_the_first_block(tmp_path):
    with (
        (tmp_path / "file").open("w") as handle,
        pytest.raises(InputError, match="cannot be copied to other processes"),
    ):
        invariscope.measure(
            lambda images: images.flatten(1) + (0 if handle else 1),
            PICTURES, transformations="rotate=90", processes=2,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"processes": 0}, "processes must be at least 1, not 0"),
        ({"engine": "spark"}, "engine must be local or ray, not 'spark'"),
        ({"address": "auto"}, "address='auto' is a Ray cluster's: say engine='ray'"),
    ],
)
def test_wrong_staff_is_refused(how, message):
    with pytest.raises(InputError, match=message):
        invariscope.measure(Network(), PICTURES, transformations="rotate=90", **how)
