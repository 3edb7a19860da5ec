"""The identity of a run: what it depends on, that files carry it, and that others are refused."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from invariscope.errors import InputError
from invariscope.results import Result, RowStore, write_block, write_summary
from invariscope.results.channels import CHANNEL_SCHEMA, read_channel_table, write_channels
from invariscope.results.pairs import ChannelPairs, read_channel_pairs, write_channel_pairs
from invariscope.runs.identity import identity, run_of
from oracles.runs import completed_blocks, manifest_of, tables_of

OWN, OTHER = "0123456789abcdef", "fedcba9876543210"
REFUSED = r"block-00001.parquet holds rows of another run than manifest.json: delete it and run"


def test_it_depends_on_settings_and_versions_but_not_on_the_order_of_keys():
    settings = {"model": "a", "cells": [{"level": 1, "cell": "rotate"}]}
    turned = {"cells": [{"cell": "rotate", "level": 1}], "model": "a"}
    own = identity(settings, "0.1.0", "2.8.0")
    assert identity(turned, "0.1.0", "2.8.0") == own
    assert len(own) == 16
    others = [
        identity({**settings, "model": "b"}, "0.1.0", "2.8.0"),
        identity(settings, "0.1.1", "2.8.0"),
        identity(settings, "0.1.0", "2.8.1"),
    ]
    assert len({own, *others}) == 4
    assert identity(json.loads(json.dumps(settings)), "0.1.0", "2.8.0") == own


@pytest.fixture
def mixed(tmp_path):
    """The rows of a run of three blocks, whose second file is of another one."""
    for number, table in enumerate(tables_of()[0]):
        write_block(tmp_path, number, table, OTHER if number == 1 else OWN)
    return tmp_path


@pytest.mark.parametrize("run", [OWN, None])
def test_rows_of_another_run_are_refused_by_name(mixed, run):
    with pytest.raises(InputError, match=REFUSED):
        RowStore(mixed, run=run)
    assert RowStore(mixed, blocks=[0, 2], run=run).blocks == [0, 2]


def test_a_whole_file_of_another_run_does_not_count_as_done(mixed):
    with pytest.raises(InputError, match=REFUSED):
        completed_blocks(mixed, OWN)
    path = mixed / "block-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])  # damaged: of no run, and measured again
    assert completed_blocks(mixed, OWN) == [0, 2]


def test_rows_without_an_identity_are_of_another_run(tmp_path):
    write_block(tmp_path, 0, tables_of()[0][0])
    with pytest.raises(InputError, match=r"block-00000.parquet holds rows of another run"):
        RowStore(tmp_path, run=OWN)
    assert RowStore(tmp_path).blocks == [0]


def test_saved_files_carry_the_identity_and_loading_asks_for_it(run, tmp_path):
    folder = run[0].save(tmp_path / "run")
    files = sorted((folder / "rows").iterdir())
    assert {run_of(pq.read_schema(file)) for file in files} == {OWN}
    other = Result(manifest_of() | {"identity": OTHER}, run[0].store).save(tmp_path / "other")
    shutil.copy(other / "rows" / "block-00001.parquet", folder / "rows")
    with pytest.raises(InputError, match=REFUSED):
        Result.load(folder)
    shutil.copytree(other / "rows", folder / "rows", dirs_exist_ok=True)  # all of them
    with pytest.raises(InputError, match=r"block-00000.parquet holds rows of another run"):
        Result.load(folder)


def test_a_summary_of_another_run_is_not_shown_as_this_ones(run, tmp_path):
    folder = run[0].save(tmp_path / "run")
    write_summary(folder, run[0].summary, OTHER)
    with pytest.raises(InputError, match=r"summary.parquet holds numbers of another run than"):
        Result.load(folder)
    (folder / "summary.parquet").unlink()
    assert Result.load(folder).summary.equals(run[0].summary)


def test_channels_and_their_pictures_carry_it_too(run, tmp_path):
    folder = run[0].save(tmp_path / "run")
    write_channels(folder, CHANNEL_SCHEMA.empty_table(), OTHER)
    assert read_channel_table(folder, OTHER).schema.names == CHANNEL_SCHEMA.names
    with pytest.raises(InputError, match=r"channels.parquet holds channels of another run"):
        Result.load(folder)
    write_channels(folder, CHANNEL_SCHEMA.empty_table(), OWN)
    write_channel_pairs(folder, ChannelPairs("a", ()), OTHER)
    with pytest.raises(InputError, match=r"channel_pairs.npz holds pictures of another run"):
        read_channel_pairs(folder, OWN)
    loaded = Result.load(folder)  # pictures only: a warning
    assert loaded.channel_pairs is None
    assert "of another run" in loaded.warnings[-1]
