"""Bad input: one line that says what, where and what would work, and the right exit code."""

import json
import os
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

TINY = ("measure", "python:tiny:make", "--workers", "0", "-t", "rotate=90", "--no-twin")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--data", "empty"], "empty"),
        (["--data", "texts"], "texts"),
        (["--data", "one"], "needs at least two"),
        (["--data", "broken"], "none of the 3 images of broken can be read; the first: "),
        (["--data", "sampels"], "did you mean samples"),
        (["-t", "rotat"], "unknown transformation 'rotat': did you mean rotate"),
        (["-g", "shift(4..1)"], "shift(4..1) ends before it starts: shift(1..4) works"),
        (["-g", "C4,shift(1"], "unknown group 'shift(1': C4, C8, D4, D8 (any n), flip"),
        (["--metrics", "relative"], "did you mean relative_invariance"),
        (["--layers", "con"], "unknown layer 'con': did you mean conv"),
        (["--table", "standart"], "unknown table 'standart': did you mean standard"),
        (["-m", "timm:resnet81"], "resnet18"),
        (["-m", "checkpoint:nowhere.pt@timm:resnet18"], "nowhere.pt"),
        (["-m", "python:nowhere:make"], "nowhere"),
        (["-m", "somewhere:resnet18"], "somewhere"),
        (["--num-images", "1"], "--num-images 1: give a number from 2 on, or all"),
        (["--num-images", "many"], "--num-images many"),
        (["--border", "mirror"], "border must be one of zeros, reflect, circular, valid"),
        (["--border", "valid"], "border 'valid' masks cells of feature maps"),
        (["--device", "gpu"], "device gpu cannot be used"),
        (["--preprocessing", "size"], "write key=value"),
        (["--preprocessing", "sizes=3"], "size"),
        (["--output", "/proc/run"], "cannot write"),
        (["--output", "tiny.py"], "tiny.py is a file"),
        (["--output", "pictures"], "pictures is not empty and holds no run"),
        (["--precision", "-1"], "precision must be above 0"),
    ],
)
def test_one_line_and_exit_code_2(invariscope, place, arguments, message):
    for name in ("empty", "texts", "one", "broken"):
        (place / name).mkdir()
    (place / "texts/a.txt").write_text("not an image")
    shutil.copy(place / "pictures/00.png", place / "one")
    for number in range(3):
        (place / f"broken/{number}.jpg").write_bytes(b"")
    model = [] if "-m" in arguments else ["python:tiny:make"]
    data = [] if "--data" in arguments else ["--data", "pictures"]
    rest = () if "-t" in arguments else ("-t", "rotate=90")
    code, _, err = invariscope(
        "measure", *model, *data, "--workers", "0", "--no-twin", *rest, *arguments
    )
    assert code == 2, err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("invariscope: ")
    assert message in lines[0]
    assert not list(place.glob("runs/*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", "--batch-size", "0"], "greater than or equal to 1"),
        (["measure", "--seed", "x"], "should be a valid integer"),
        (["measur"], "No such command 'measur'"),
        (["list", "xyz"], "unknown list 'xyz' (known: augmentations, data"),
        (["list", "model"], "unknown list 'model': did you mean models"),
        (["list", "layers"], "give the model"),
        (["report", "nowhere"], "no run folder at nowhere"),
        (["report", "pictures"], "pictures is not a run folder"),
        (["compare", "nowhere", "pictures"], "no run folder at nowhere"),
    ],
)
def test_other_commands(invariscope, place, arguments, message):
    code, _, err = invariscope(*arguments)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert message in err


def odd_pictures(folder):
    """Images of every odd kind; the names say whether they can be used."""
    folder.mkdir()
    picture = Image.fromarray(
        np.random.default_rng(1).integers(0, 256, (30, 26, 3), dtype=np.uint8)
    )
    picture.save(folder / "good-a.png")
    picture.rotate(180).save(folder / "good-b.png")
    picture.convert("CMYK").save(folder / "good-cmyk.jpg")
    wide = np.arange(900, dtype=np.uint16).reshape(30, 30) * 70
    Image.fromarray(wide).save(folder / "good-16bit.png")
    picture.convert("P").save(folder / "good-palette.png")
    picture.convert("L").save(folder / "good-grey.png")
    picture.save(folder / "good-animated.gif", save_all=True, append_images=[picture.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "good-rotated.jpg", exif=exif)
    Image.new("RGB", (1, 1), (9, 99, 200)).save(folder / "good-1x1.png")
    picture.save(folder / "bad-truncated.jpg")
    content = (folder / "bad-truncated.jpg").read_bytes()
    (folder / "bad-truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "bad-empty.png").write_bytes(b"")
    (folder / "bad-text.jpg").write_text("<b>not an image</b>")
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    (folder / "bad-huge.png").write_bytes(png + struct.pack(">I", zlib.crc32(chunk)))
    (folder / "notes.txt").write_text("not counted as an image")


def test_odd_images_are_used_or_skipped_counted_and_named(invariscope, place):
    odd_pictures(place / "odd")
    code, out, err = invariscope(
        *TINY, "-d", "odd", "-n", "all", "-o", "run", "--preprocessing", "size=16"
    )
    assert code == 0, err
    images = json.loads((place / "run/manifest.json").read_text())["images"]
    skipped = {entry["image"]: entry["reason"] for entry in images["skipped"]}
    assert sorted(skipped) == ["bad-empty.png", "bad-huge.png", "bad-text.jpg", "bad-truncated.jpg"]
    assert images["used"] == 9
    assert all("\n" not in reason and len(reason) > 5 for reason in skipped.values())
    page = (place / "run/report.html").read_text()
    for name in skipped:
        assert f"skipped {name}" in " ".join(out.split())
        assert name in page
    assert "notes.txt" in page
    assert "<b>not an image" not in page
    assert "skipped 4 images" in out
    rows = pd.read_parquet(place / "run/rows")
    assert {name for name in rows.image if name.startswith("good")} == {
        path.name for path in (place / "odd").glob("good-*")
    }


def test_a_class_with_one_image(invariscope, place):
    for name, count in (("cats", 5), ("dogs", 1)):
        (place / "classes" / name).mkdir(parents=True)
        for number in range(count):
            shutil.copy(place / f"pictures/{number:02}.png", place / "classes" / name)
    code, _, err = invariscope(*TINY, "-d", "classes", "-n", "all", "-o", "run")
    assert code == 0, err
    summary = pd.read_parquet(place / "run/summary.parquet")
    dogs = summary[(summary["class"] == "dogs") & (summary.metric == "relative_invariance")]
    assert (dogs.n == 1).all()
    assert dogs.ci_low.isna().all()
    assert "dogs" in (place / "run/report.html").read_text()


def test_a_model_that_returns_nan(invariscope, place):
    code, out, _ = invariscope(
        "measure", "python:tiny:dark", "-d", "pictures", "-t", "brightness_down", "-o", "run",
        "-j", "0", "--no-twin",
    )  # fmt: skip
    assert code == 0
    assert "nan" not in out.lower()
    summary = pd.read_parquet(place / "run/summary.parquet")
    black = summary[(summary.level == 9) & (summary.metric == "prediction_consistency")]
    assert (black.n_undefined == 32).all()
    assert black.value.isna().all()


def test_a_model_that_fails(invariscope, place):
    code, _, err = invariscope(*TINY, "-d", "pictures", "--preprocessing", "size=2", "-o", "run")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "fails on images of shape [2, 3, 2, 2]" in err


def test_an_unreadable_folder_of_rows_is_measured_again(invariscope, place):
    arguments = (*TINY, "-d", "pictures", "-n", "all", "-o", "run")
    assert invariscope(*arguments)[0] == 0
    before = (place / "run/summary.parquet").read_bytes()
    (place / "run/rows/block-00001.parquet").write_bytes(b"garbage")
    (place / "run/summary.parquet").unlink()
    assert invariscope(*arguments)[0] == 0
    assert (place / "run/summary.parquet").read_bytes() == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(invariscope, place):
    """A file system on which the first block fits and the second does not."""
    for path in list((place / "pictures").iterdir()):
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    arguments = (
        "measure", "python:tiny:make", "-d", "pictures", "-n", "all", "-j", "0", "--no-twin",
        "--no-floor", "-t", "rotate,shear_x,shear_y,solarize,posterize",
    )  # fmt: skip
    assert invariscope(*arguments, "-o", "whole")[0] == 0
    blocks = sorted((place / "whole/rows").iterdir())
    needed = [*blocks[:1], place / "whole/example.png", place / "whole/manifest.json"]
    pages = sum(path.stat().st_size // 4096 + 1 for path in needed)
    # the manifest is written anew beside the old one; five pages for folders
    pages += needed[2].stat().st_size // 4096 + 5 + blocks[1].stat().st_size // 4096 // 2
    small = place / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * pages}k", "tmpfs", small]
    mounted = subprocess.run(mount, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    try:
        code, _, err = invariscope(*arguments, "-o", small / "run")
        assert code == 3
        assert len(err.strip().splitlines()) == 1
        assert "No space left on device" in err
        assert "run the same command again to resume" in err
        kept = sorted(path.name for path in (small / "run").rglob("block-*"))
        shutil.copytree(small / "run", place / "run")
    finally:
        subprocess.run(["umount", small], check=True)
    assert kept == ["block-00000.parquet"]
    assert invariscope(*arguments, "-o", "run")[0] == 0
    one, other = (place / name / "summary.parquet" for name in ("run", "whole"))
    assert one.read_bytes() == other.read_bytes()
