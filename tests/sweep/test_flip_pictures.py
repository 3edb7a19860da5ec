"""`save_images`: files after the pass, and what is said where a picture cannot be read again."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch.utils.data import Dataset

import invariscope
from invariscope.errors import InputError
from results.test_flips import ROTATE, Net, pictures


@pytest.fixture
def folder(tmp_path):
    for number, pixels in enumerate(pictures()):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number:02}.png")
    return tmp_path / "in"


def test_images_are_written_with_a_table(folder, tmp_path):
    run = tmp_path / "run"
    result = invariscope.measure(
        Net(), folder, transformations=ROTATE, output=run, save_images=True
    )
    table = pd.read_csv(run / "images" / "images.csv", dtype={"before": str, "after": str})
    flips = result.flips()
    assert table["image"].tolist() == flips["image"].tolist()
    assert table["after"].tolist() == flips["after"].tolist()
    files = {*table["before_file"], *table["after_file"]}
    assert {path.name for path in (run / "images").glob("*.png")} == files
    row = table.iloc[0]
    before = np.array(Image.open(run / "images" / row["before_file"]))
    np.testing.assert_array_equal(before, np.array(Image.open(folder / row["image"])))
    assert (before != np.array(Image.open(run / "images" / row["after_file"]))).any()


def test_a_resumed_run_ends_with_the_same_bytes(folder, tmp_path):
    for name in ("a", "b"):
        invariscope.measure(Net(), folder, transformations=ROTATE, output=tmp_path / name)
    (tmp_path / "b" / "rows" / "block-00001.parquet").unlink()
    invariscope.measure(
        Net(), folder, transformations=ROTATE, output=tmp_path / "b", save_images=True
    )
    for name in ("rows/block-00001.parquet", "summary.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    one, other = (invariscope.Result.load(tmp_path / name) for name in "ab")
    pd.testing.assert_frame_equal(one.flips(), other.flips())
    for a, b in zip(one.flip_pictures, other.flip_pictures, strict=True):
        np.testing.assert_array_equal(a.after, b.after)


def test_without_a_folder_there_is_nowhere_to_write():
    with pytest.raises(InputError, match="name one with `output`"):
        invariscope.measure(Net(), pictures(), transformations=ROTATE, save_images=True)


class Random(Dataset):
    """Makes every image anew."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        noise = np.random.default_rng().integers(0, 9, (16, 16, 3))
        return Image.fromarray((pictures()[index] // 2 + noise).astype(np.uint8))


def test_random_images_are_not_shown_again_and_the_page_says_so(tmp_path):
    result = invariscope.measure(Net(), Random(), transformations="rotate=40/90")
    assert len(result.flips())
    assert not result.flip_pictures
    text = result.to_html(tmp_path / "report.html").read_text()
    assert "cannot be shown: they are made anew at each reading" in text


def test_a_picture_with_another_content_is_left_out(tmp_path, monkeypatch):
    images = pictures()
    kept = images.copy()

    class Changing(Dataset):
        after = False

        def __len__(self):
            return 40

        def __getitem__(self, index):
            return Image.fromarray(255 - kept[index] if self.after else kept[index])

    data = Changing()
    from invariscope.sweep import flip_pictures

    whole = flip_pictures.take

    def later(*arguments):
        data.after = True
        return whole(*arguments)

    monkeypatch.setattr("invariscope.sweep.job.take", later)
    result = invariscope.measure(Net(), data, transformations="rotate=40/90")
    assert not result.flip_pictures
    assert "another content" in result.manifest["images"]["not_shown"]


def test_names_become_names_of_files():
    from invariscope.sweep.flip_pictures import _plain

    assert _plain("zoom_in-2é") == "zoom_in-2é"
    assert _plain("../a b:c.png") == "___a_b_c_png"
