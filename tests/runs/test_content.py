"""Images are known by their content: where a run is resumed, where runs are compared."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import invariscope
from invariscope.data import open_source
from invariscope.data.digests import digest_of_file
from invariscope.effects.correctness import read_runs
from invariscope.errors import InputError
from invariscope.results import Leaderboard, Result
from invariscope.runs.block_files import completed_blocks, digests_of, with_digests
from invariscope.search import Factors


def model(x):
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)


def run(images, output=None, **more):
    return invariscope.measure(model, images, output=output, transformations="rotate=90", **more)


def pictures(count=36, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for number, pixels in enumerate(pictures()):
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number:02}.png")
    return tmp_path / "data"


def replaced(folder, name="07.png"):
    content = (folder / name).read_bytes()
    Image.new("RGB", (9, 9), (200, 10, 0)).save(folder / name)
    return content


def test_a_run_carries_what_its_images_are_known_by(folder, tmp_path):
    memory, disk = run(folder), run(folder, tmp_path / "run")
    expected = {path.name: digest_of_file(str(path)) for path in folder.iterdir()}
    assert memory.store.digests == disk.store.digests == expected
    assert Result.load(tmp_path / "run").store.digests == expected
    assert Result.load(memory.save(tmp_path / "saved")).store.digests == expected
    assert len(disk.rows) == len(memory.rows)
    last = pq.read_schema(tmp_path / "saved" / "rows" / "block-00001.parquet")
    assert len(digests_of(last)) == 4


@pytest.mark.parametrize("finished", [True, False])
def test_a_picture_replaced_under_its_name_is_not_gone_on_with(folder, tmp_path, finished):
    whole = run(folder, tmp_path / "run").frame
    if not finished:
        (tmp_path / "run" / "rows" / "block-00001.parquet").unlink()
    name = sorted(digests_of(pq.read_schema(tmp_path / "run" / "rows" / "block-00000.parquet")))[3]
    before = replaced(folder, name)
    with pytest.raises(
        InputError, match=rf"run holds a run on other images: {name} has another content now than"
    ):
        run(folder, tmp_path / "run")
    (folder / name).write_bytes(before)
    assert run(folder, tmp_path / "run").frame.equals(whole)


def test_arrays_of_equal_ids_are_told_apart(tmp_path):
    one, other = pictures(), pictures()
    other[5, 0, 0, 0] ^= 1
    more = {"output": tmp_path / "run", "metrics": "relative_invariance"}
    run(one, **more)
    with pytest.raises(InputError, match="run on other images: 5 has another content now"):
        run(other, **more)
    with pytest.raises(InputError, match="holds a run on other images, by their ids or labels"):
        run((one, [0] * 36), **more)


def test_searches_are_told_apart_too(tmp_path):
    one, other = pictures(8), pictures(8, seed=1)
    more = {"operations": "rotate=90", "output": tmp_path / "search"}
    found = invariscope.find_factors(model, (one, [0] * 8), **more)
    with pytest.raises(InputError, match=r"search holds a run on other images: . has another cont"):
        invariscope.find_factors(model, (other, [0] * 8), **more)
    Factors.load(tmp_path / "search").save(tmp_path / "copy")
    files = [tmp_path / name / "rows" / "block-00000.parquet" for name in ("search", "copy")]
    digests = [digests_of(pq.read_schema(file)) for file in files]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 8
    assert found.frame.equals(invariscope.find_factors(model, (one, [0] * 8), **more).frame)


def test_compared_are_only_images_of_equal_content(folder):
    before = run(folder)
    replaced(folder)
    after = run(folder)
    said = "left out: 1 images of equal ids have other contents, the first: 07.png"
    assert said in before.compare(after).notes
    assert before.compare(after).frame["n"].max() == 35
    assert said in Leaderboard([before, after]).notes
    message = r"share 0 images \(36 images of equal ids have other contents, the first: \d+\): meas"
    with pytest.raises(InputError, match=message):
        run(pictures()).compare(run(pictures(seed=1)))


def test_classes_hurt_are_of_the_same_images(tmp_path):
    for seed in (0, 1):
        run((pictures(8, seed), [0, 1] * 4), tmp_path / f"{seed}", model_classes="order")
    with pytest.raises(InputError, match=r"different images: . has another content in one of th"):
        read_runs({"none": [tmp_path / "0"], "crops": [tmp_path / "1"]})


class Pictures(torch.utils.data.Dataset):
    """A user's data set; with ``random``, other pixels each time."""

    def __init__(self, pixels, random=False):
        self.pixels, self.random = pixels, random
        self.generator = np.random.default_rng(0)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        pixels = self.pixels[index].copy()
        if self.random:
            pixels[0] = self.generator.integers(0, 256, (9, 3))
        return Image.fromarray(pixels)


def test_a_data_set_is_known_by_the_pixels_it_gives(tmp_path):
    run(Pictures(pictures()), tmp_path / "run")
    with pytest.raises(InputError, match="holds a run on other images"):
        run(Pictures(pictures(seed=1)), tmp_path / "run")


def test_random_images_have_no_content_to_be_known_by(tmp_path):
    result = run(Pictures(pictures(), random=True), tmp_path / "run")
    assert any("images are random" in line for line in result.warnings)
    assert result.store.digests == {}
    (tmp_path / "run" / "rows" / "block-00001.parquet").unlink()
    run(Pictures(pictures(), random=True), tmp_path / "run")


def test_a_block_with_damaged_digests_is_measured_again(folder, tmp_path):
    run(folder, tmp_path / "run")
    path = tmp_path / "run" / "rows" / "block-00000.parquet"
    table = pq.read_table(path)
    key = b"invariscope.digests"
    metadata = dict(table.schema.metadata)
    metadata[key] = metadata[key].replace(b"0", b"1", 1)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    assert completed_blocks(path.parent) == [1]
    assert digests_of(with_digests(table, {"a": "b"}).schema) == {"a": "b"}


def test_the_digest_of_a_file_is_not_that_of_its_pixels(folder):
    source = open_source(folder)
    assert source.digest(0) == digest_of_file((folder / "00.png").read_bytes())
    (folder / "00.png").unlink()
    assert source.digest(0) == ""
