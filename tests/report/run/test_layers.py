"""Layers and elements in the report, and the pages of the layers, of real runs."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.report.run.channel_tables import extremes, fate, rows_of
from invariscope.report.run.layered import Layered, file_names
from invariscope.report.run.map_pictures import picture
from invariscope.report.run.meaning import Meaning, meaning_of
from invariscope.report.run.page import layer_pages, page
from invariscope.report.run.readings import Readings
from invariscope.report.run.verdict import verdict
from invariscope.results import Result

ALL = "channel_invariance,channel_equivariance,channel_eed,latent_eed,normalized_variance"


def model():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        last = nn.Conv2d(8, 8, 3, padding=1)
        with torch.no_grad():  # one dead channel
            last.weight.data[5] = 0.0
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1),
            nn.ReLU(), last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        )  # fmt: skip


def measure(**others):
    images = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), np.uint8)
    return invariscope.measure(
        model(), images.repeat(4, axis=1).repeat(4, axis=2), layers="0,2,4", **others
    )


@pytest.fixture(scope="module")
def result():
    return measure(groups="C4", metrics=ALL, floor=True)


@pytest.fixture(scope="module")
def text(result):
    return page(result)


def test_the_report_has_heat_maps_bars_dead_channels_and_links(text, result):
    section = text[text.index('<section id="channels"') : text.index('<section id="numbers"')]
    for title in ("Channel invariance over", "Channel equivariance over", "Channelwise G-EED",
                  "Latent G-EED", "Normalised variance"):  # fmt: skip
        assert f"<h3>{title}" in section
    assert section.count("<svg") == 4
    assert "by chance" in section
    assert "2 of 35 channels at 5 layers are dead" in section
    for layer in ("0", "2", "4", "embedding", "logits"):
        assert f'href="layers/{layer}.html"' in section
    value = result.frame.query(
        "metric == 'channel_equivariance:pooled' and layer == '2' and level == 1"
    )["value"].iloc[0]
    assert f">{value:.2f}<" in section


def test_quarter_turns_are_exact_and_eighths_are_marked():
    with_eighths = page(measure(groups="C8", metrics="channel_invariance"))
    row = re.search(r'<th scope="row"><a href="layers/2.html">2</a></th>(.*?)</tr>', with_eighths)
    assert row
    marked = ["inexact" in cell for cell in re.findall(r"<td[^>]*>", row[1])][:7]
    assert marked == [True, False, True, False, True, False, True]


def test_a_page_for_each_layer(result, tmp_path):
    report = result.to_html(tmp_path / "report.html")
    assert report.stat().st_size < 3_000_000
    names = {path.name for path in (tmp_path / "layers").iterdir()}
    assert names == {"0.html", "2.html", "4.html", "embedding.html", "logits.html"}
    for path in (tmp_path / "layers").iterdir():
        assert path.stat().st_size < 500_000
        assert "http:" not in path.read_text(encoding="utf-8")
    second = (tmp_path / "layers" / "2.html").read_text(encoding="utf-8")
    assert 'href="0.html" rel="prev"' in second
    assert 'href="4.html" rel="next"' in second
    assert 'href="../report.html"' in second
    pairs = [pair for pair in result.channel_pairs.pairs if pair.layer == "2"]
    assert second.count("data:image/png") == 3 * len(pairs) > 0
    assert second.count("<svg") == 4  # two elements, invariance and equivariance
    elsewhere = result.to_html(tmp_path / "mine.html")
    assert 'href="mine-layers/2.html"' in elsewhere.read_text(encoding="utf-8")
    other = (tmp_path / "mine-layers" / "2.html").read_text(encoding="utf-8")
    assert 'href="../mine.html"' in other


def test_layers_without_positions_say_so(result):
    pages = dict(layer_pages(result))
    assert "A channel is a single number per image here" in pages["embedding.html"]
    assert "No pictures" in pages["embedding.html"]
    assert "A channel is a single number" not in pages["2.html"]


def test_the_page_says_how_many_channels_stay(result):
    table = result.channels
    rows = rows_of(table, "4", "rotate=90")
    itself, another, dead, *_ = fate(rows, rows_of(table, "4", "rotate=90", "shuffled"))
    assert (dead, itself + another) == (1, 7)
    assert itself == int((rows["match"] == rows["channel"]).sum())
    ends = dict(extremes(rows))
    living = rows[rows["match"] >= 0]
    channels = living["channel"].to_numpy()
    most = channels[living["invariance"].to_numpy().argmax()]
    least = channels[living["equivariance"].to_numpy().argmin()]
    assert ends["Most invariant"][0][0] == most
    assert ends["Least equivariant"][0][0] == least
    assert "–" not in {text for rows in ends.values() for _, text, _ in rows}


def test_missing_pictures_are_told(result, tmp_path):
    folder = result.save(tmp_path / "run")
    (folder / "channel_pairs.npz").write_bytes(b"no")
    pages = dict(layer_pages(Result.load(folder)))
    assert "no readable pictures of channel pairs" in pages["2.html"]


def test_many_levels_have_a_column_for_each_transformation(result):
    names = "rotate,shear_x,shear_y,zoom_in,zoom_out"
    many = measure(transformations=names, metrics="channel_invariance")
    columns = Layered(Readings(many)).columns
    assert [column.level for column in columns] == [None] * 5
    assert "zooming in" in page(many)
    assert [c.label for c in Layered(Readings(result)).columns] == ["90°", "180°", "270°"]


def test_pages_without_channels(make, tmp_path):
    make_pages = dict(layer_pages(make()))
    assert make_pages == {}
    orbits = measure(groups="C4", metrics="latent_eed,softmax_eed")
    pages = dict(layer_pages(orbits))
    assert set(pages) == {"0.html", "2.html", "4.html", "embedding.html", "logits.html"}
    assert "What channels become" not in pages["2.html"]
    assert "Softmax G-EED" in pages["logits.html"]


def test_file_names_never_leave_the_folder():
    names = file_names(["../../etc", "a/b", "A_b", "", ".", "nul", "x" * 300])
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(re.fullmatch(r"[\w-][\w.-]*\.html", name) for name in names.values())
    assert max(map(len, names.values())) < 120


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": "C4", "metrics": "latent_eed"}, "(lower is more invariant)"),
        ({"groups": "C4", "metrics": "softmax_eed"}, "Softmax G-EED at the logits under turns of"),
        ({"groups": "C4", "metrics": "channel_equivariance"}, "(higher is more equivariant)"),
        ({"groups": "C4,flip", "metrics": "latent_eed"}, "the model is most invariant to"),
        ({"transformations": "rotate=90/180", "metrics": "channel_invariance"}, "rotation"),
        ({"groups": "shift_x(0..4:2)", "metrics": "channel_eed"}, "horizontal shift by 0 to 4 px"),
    ],
)
def test_only_such_metrics_give_a_sensible_page(options, said):
    result = measure(**options)
    assert said in " ".join(finding.text for finding in verdict(result))
    text = page(result)
    assert "like another image" not in text
    assert len(list(layer_pages(result))) > 0 or options["metrics"] == "softmax_eed"


def test_the_lower_the_better_stands_first_and_is_pale():
    result = measure(groups="C4,flip", metrics="latent_eed")
    rows = result.frame[(result.frame["layer"] == "embedding")]
    better = rows.groupby("transformation")["value"].mean().idxmin()
    first = verdict(result)[0].text
    assert ("horizontal flip" if better == "flip" else "turns of C4") in first
    about = Readings(result).meaning("latent_eed")
    assert about.share(0.1, about.ends()) > about.share(0.9, about.ends())


def test_meanings():
    about = {"direction": "share of channels without a value", "range": [0.0, 1.0]}
    dead = meaning_of("dead_channels", {"metrics": {"dead_channels": about}})
    assert (dead.higher, dead.quality, dead.graded) == (False, "", False)
    assert meaning_of("anything", {}) == Meaning("anything", "anything", "anything")
    assert not Meaning("x", higher=False).share(2.0, (1.0, 0.0))


def test_pictures_have_a_pixel_a_cell():
    import base64
    import io

    from PIL import Image

    cells = np.array([[0, 1, 128], [255, 254, 2]], np.uint8)
    uri = picture(cells)
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB")
    pixels = np.asarray(image).astype(int)
    assert pixels.shape == (2, 3, 3)
    assert pixels[0, 0].tolist() == [128, 128, 128]
    assert pixels[0, 1].tolist() == [68, 1, 84]  # viridis begins and ends here
    assert pixels[1, 0].tolist() == [253, 231, 37]


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_a_layers_page_in_a_browser(result, show, tmp_path, width):
    folder = tmp_path / "pages"
    folder.mkdir()
    result.to_html(folder / "report.html")
    page = show(folder / "layers" / "2.html", width)
    assert page.said == []
    assert "What channels become" in page.document
    assert page.answer("return page.documentElement.scrollWidth") <= width
    assert page.answer("return page.images.length") > 0
    assert page.answer("return [...page.images].filter(i => !i.naturalWidth).length") == 0


def test_a_layer_of_dead_channels_has_a_page():
    network = model()
    for parameter in network[0].parameters():
        torch.nn.init.zeros_(parameter)
    images = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8)
    dead = invariscope.measure(network, images, layers="0", groups="C4", metrics=ALL)
    [(_, text)] = [each for each in layer_pages(dead) if each[0].startswith("0")]
    assert "of 0 living channels" in text
    assert "quartiles –" in text
