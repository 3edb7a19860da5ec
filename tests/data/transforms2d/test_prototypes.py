"""The objects: provenance, frames, outlines; shapes that stay apart; what is not installed."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from invariscope.data import cutouts
from invariscope.data.transforms2d import COLUMNS, emoji, prototypes, published, shapes
from invariscope.data.transforms2d.prototypes import SIZE_IN_FRAME, trimmed
from invariscope.errors import InputError

SOURCES = [
    "shapes",
    pytest.param("stamps", marks=pytest.mark.skipif(
        not Path(cutouts.FOLDER).is_dir(), reason="needs Debian's tuxpaint-stamps-default")),
    pytest.param("emoji", marks=pytest.mark.skipif(
        not Path(emoji.FONT).is_file(), reason="needs Debian's fonts-noto-color-emoji")),
]  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_every_class_has_a_picture_a_name_and_a_licence(name):
    found = prototypes(name)
    assert len(found) >= 61  # as many as the paper has
    assert len(set(found.names)) == len(found)
    for number, line in enumerate(found.provenance):
        row = dict(zip(COLUMNS, line, strict=True))
        assert row["class"] == number
        assert all(row[column] for column in COLUMNS[1:])
    pixels = found.pictures
    assert pixels.dtype == np.float32
    assert (pixels[:, :3] <= pixels[:, 3:] + 1e-6).all()
    for picture in pixels:
        rows = np.flatnonzero(picture[3].any(1))
        columns = np.flatnonzero(picture[3].any(0))
        longest = max(np.ptp(rows), np.ptp(columns)) + 1
        assert abs(longest - SIZE_IN_FRAME * 32) <= 2
        assert abs(rows.mean() - 15.5) <= 1.5
        assert abs(columns.mean() - 15.5) <= 1.5
    coarse = pixels.reshape(len(pixels), 4, 8, 4, 8, 4).mean((3, 5))
    apart = np.abs(coarse[:, None] - coarse[None]).mean((2, 3, 4)) + np.eye(len(pixels))
    assert apart.min() > 0.005  # no picture twice


def test_outlines_are_the_extreme_corners():
    found = prototypes("shapes", classes=10)
    for picture, outline in zip(found.pictures, found.outlines, strict=True):
        rows, columns = np.nonzero(picture[3] > cutouts.OPAQUE)
        assert outline[:, 0].min() == columns.min() - 16
        assert outline[:, 0].max() == columns.max() + 1 - 16
        assert outline[:, 1].min() == rows.min() - 16
        assert outline[:, 1].max() == rows.max() + 1 - 16


def test_outlines_cover_what_their_drawings_say():
    """The areas in the square [-1, 1]², by geometry."""
    line = (np.arange(2000) + 0.5) / 1000 - 1
    x, y = np.meshgrid(line, line)
    # the hole's part of the disc: two circles of radius 1 and 0.75, their centres 0.45 apart
    chord = (0.45**2 + 1 - 0.75**2) / (2 * 0.45), (0.45**2 + 0.75**2 - 1) / (2 * 0.45)
    parts = [
        radius**2 * np.arccos(to / radius) - to * np.sqrt(radius**2 - to**2)
        for radius, to in zip((1, 0.75), chord, strict=True)
    ]
    # the outline of the heart, seen from the origin of u and v
    turn = np.linspace(0, 2 * np.pi, 20001)
    far = np.linspace(0, 2, 20001)
    cos, sin = np.cos(turn[:-1:50, None]), np.sin(turn[:-1:50, None])
    inside = (far**2 - 0.85) ** 3 < 1.4 * far**5 * cos**2 * sin**3
    areas = {
        "triangle": 3 * np.sqrt(3) / 4,
        "star": 5 * 0.42 * np.sin(np.pi / 5),
        "cross": 2 * 2 * 0.66 - 0.66**2,
        "disc": np.pi,
        "crescent": np.pi - sum(parts),
        "square": 1.7**2,
        "flower": np.pi * (0.7**2 + 0.3**2 / 2),
        "arrow": 1 + 0.7,
        "heart": 2 * np.pi * (inside * far).mean() * 2 / 1.2**2,
        "bar": 2 * 0.84,
    }
    for name, area in areas.items():
        assert shapes.OUTLINES[name](x, y).mean() * 4 == pytest.approx(area, abs=4e-3), name


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("triangle", (0, 0.95), (0, -0.55)),
        ("star", (0, -0.9), (0, 0.9)),
        ("crescent", (-0.9, 0), (0.9, 0)),
        ("flower", (0, -0.95), (0.95, 0)),
        ("arrow", (0.6, -0.2), (0.6, 0.2)),
        ("heart", (0.5, -0.6), (0.5, 0.6)),
        ("bar", (0.9, 0), (0, 0.9)),
    ],
)
def test_outlines_point_the_same_way_always(name, inside, outside):
    """At (x, y), y downwards."""
    assert shapes.OUTLINES[name](*map(np.array, inside))
    assert not shapes.OUTLINES[name](*map(np.array, outside))


def test_sets_of_objects_are_parts_of_the_whole():
    whole, part = prototypes("shapes"), prototypes("shapes", first=30, classes=30)
    assert np.array_equal(part.pictures, whole.pictures[30:60])
    assert part.names == whole.names[30:60]
    assert prototypes("shapes", size=48, classes=1).pictures.shape == (1, 4, 48, 48)


def test_shapes_stay_apart_when_turned_mirrored_and_robbed_of_colour():
    """The lightness of no shape, turned by any 20°, comes near that of another one."""

    def views(number):
        picture = shapes.draw_shape(number)
        frame = Image.new("RGBA", (96, 96))
        frame.paste(picture, ((96 - picture.width) // 2, (96 - picture.height) // 2))
        for image in (frame, frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
            for angle in range(0, 360, 20):
                turned = image.rotate(angle, Image.Resampling.BILINEAR).resize((24, 24))
                alpha = np.asarray(turned.getchannel("A"), dtype=float) / 255
                grey = np.asarray(turned.convert("L"), dtype=float) / 255
                yield np.stack([alpha, alpha * grey])

    chosen = range(0, 100, 5)
    turned = [np.stack(list(views(number))) for number in chosen]
    for first in range(len(turned)):
        for second in range(first):
            apart = np.abs(turned[first][0] - turned[second]).mean((1, 2, 3)).min()
            assert apart > 0.005, (shapes.shape_name(chosen[first]), chosen[second])


def test_ten_shapes_have_ten_outlines_and_ten_patterns():
    for start in range(0, 100, 10):
        names = [shapes.shape_name(number).split() for number in range(start, start + 10)]
        assert (
            len({pattern for pattern, _ in names}) == len({outline for _, outline in names}) == 10
        )
    assert len({shapes.shape_name(number) for number in range(100)}) == 100


def test_margins_in_which_nothing_is_seen_are_cut():
    picture = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    picture.paste((9, 9, 9, 255), (5, 6, 25, 20))
    picture.putpixel((0, 0), (9, 9, 9, 20))  # a faint shadow does not count
    assert trimmed(picture).size == (20, 14)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("shape", {}, "unknown prototype source 'shape': did you mean shapes"),
        ("shapes", {"first": 100}, "shapes has 100 classes: first=100"),
        ("shapes", {"first": 10, "classes": 91}, "first=10 and classes=91 ask for 101; give fewer"),
    ],
)
def test_messages(name, options, message):
    with pytest.raises(InputError, match=message):
        prototypes(name, **options)


def test_what_is_not_installed_is_named(monkeypatch, tmp_path):
    prototypes.cache_clear()
    monkeypatch.setattr(cutouts, "FOLDER", str(tmp_path))
    monkeypatch.setattr(emoji, "FONT", str(tmp_path / "no.ttf"))
    for name, package in (("stamps", "tuxpaint-stamps-default"), ("emoji", emoji.PACKAGE)):
        with pytest.raises(InputError, match=f"apt-get install {package}; or write transforms2d"):
            prototypes(name)


def test_the_published_pictures_are_read_from_the_hub(monkeypatch):
    """Against a made-up library: the first picture of each name, in the order of the names."""
    red, blue = (Image.new("RGBA", (9, 6), colour) for colour in ("red", "blue"))
    wide = Image.new("RGB", (20, 10), "green")
    wide.paste("white", (10, 0, 20, 10))

    class Table(list):
        def __getitem__(self, key):
            return (
                [row[key] for row in self] if isinstance(key, str) else list.__getitem__(self, key)
            )

    tables = {
        "foregrounds": Table(
            {"image": image, "label": label}
            for image, label in ((blue, "ship"), (red, "ant"), (red, "ship"))
        ),
        "backgrounds": Table([{"image": wide}]),
    }
    library = SimpleNamespace(load_dataset=lambda name, part, split: tables[part])
    monkeypatch.setitem(sys.modules, "datasets", library)
    monkeypatch.setattr("invariscope.hub.answers", lambda host: True)
    for cached in (published.published_objects, published.published_backgrounds):
        cached.cache_clear()
    found = prototypes("hf:some/objects")
    assert found.names == ["ant", "ship"]
    assert found.pictures[1, 2, 16, 16] == 1  # the ship is the first one, blue
    assert found.provenance[1][3] == "foregrounds, row 0"
    (scene,) = published.published_backgrounds("some/objects")
    assert scene.size == (10, 10)
    assert scene.getpixel((9, 9)) == (0, 128, 0)

    def gone(*_, **__):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(library, "load_dataset", gone)
    published.published_objects.cache_clear()
    prototypes.cache_clear()
    with pytest.raises(InputError, match=r"ConnectionError: no network\); it needs a network"):
        prototypes("hf:some/objects")
