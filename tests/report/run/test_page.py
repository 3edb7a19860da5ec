"""The page as text: complete, escaped, self-contained, and without sections it has no data for."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn

import invariscope
from invariscope.errors import InputError
from invariscope.report.run.page import page, render
from invariscope.transformations import Resampling

EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would make of the page: its elements with attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self._inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def words(self):
        return " ".join(self.text)


def sections(text):
    return re.findall(r'<section id="([^"]+)"', text)


def test_the_sections_stand_in_their_order(make):
    text = page(make(classes=("cat", "dog", "owl", "fox")))
    assert sections(text) == [
        "verdict", "curves", "layers", "classes", "numbers", "conventions", "warnings", "repeat",
    ]  # fmt: skip


def test_names_are_escaped_everywhere(make):
    result = make(
        names=("rotate", EVIL), classes=(EVIL, "b", "c", "d"), example_id='"quotes" & <b>.png'
    )
    result.manifest["settings"]["model"] = f"python:{EVIL}"
    result.manifest["images"]["skipped"] = [{"image": f'{EVIL}".jpg', "reason": "<i>broken</i>"}]
    result.manifest["images"]["notes"] = [EVIL]
    text = page(result)
    assert "<script>alert" not in text
    assert "<i>broken" not in text
    assert "<b>.png" not in text
    parsed = Page(text)
    assert len(parsed.all("script")) == 1
    assert EVIL in parsed.words
    assert '"quotes" & <b>.png' in parsed.words


def test_every_picture_has_a_text_alternative(make):
    parsed = Page(page(make()))
    assert len(parsed.all("img")) == 30
    assert all(image.get("alt") for image in parsed.all("img"))
    for drawing in parsed.all("svg"):
        named = drawing.get("role") == "img" and drawing.get("aria-label")
        assert named or drawing.get("aria-hidden") == "true"
    curves = [d["aria-label"] for d in parsed.all("svg") if d.get("role") == "img"]
    assert len(curves) == 6
    assert "under rotation. 0°: 1.00; ±20°:" in curves[0]


@pytest.fixture(scope="module")
def of_all_families(make, all_families):
    """The page of a run of every family there is, as text."""
    return page(make(names=all_families, classes=("a", "b", "c", "d")))


def test_nothing_is_loaded_from_outside(of_all_families):
    text = of_all_families
    for attributes in (attributes for _, attributes in Page(text).elements):
        for name in ("src", "href", "data", "action", "xlink:href", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), value
    assert not re.findall(r"url\((?!#)", text)
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert len(text.encode()) < 1_500_000


def test_ids_are_unique_and_links_lead_somewhere(make):
    parsed = Page(page(make(classes=("a", "b", "c", "d"))))
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for a in parsed.all("a", "use") if a.get("href", "").startswith("#")}
    assert links
    assert links <= set(ids)


def test_the_same_result_gives_the_same_bytes(make, tmp_path):
    one = render(make(), tmp_path / "one.html").read_bytes()
    assert one == render(make(), tmp_path / "two.html").read_bytes()


def test_a_folder_gets_report_html(make, tmp_path):
    assert render(make(names=("rotate",)), tmp_path) == tmp_path / "report.html"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_path_that_cannot_be_written_is_one_line(make, tmp_path):
    with pytest.raises(InputError, match=r"cannot write the report .*missing.*No such file"):
        render(make(names=("rotate",)), tmp_path / "missing" / "report.html")


def test_without_labels_there_are_no_classes(make):
    assert "classes" not in sections(page(make()))


def test_curves_that_leave_the_scale_are_announced(make):
    result = make(names=("rotate",))
    low = (result.frame["level"] == 9) & (result.frame["metric"] == "relative_invariance")
    elsewhere = low & (result.frame["layer"] == "blocks.0")
    result.frame.loc[elsewhere, "ci_low"] = -7.0
    assert "It stops at" not in page(result)
    result.frame.loc[low & (result.frame["layer"] == "embedding"), "ci_low"] = -3.0
    assert "It stops at −1.00; lower values are in the table" in page(result)


def test_one_layer_has_no_heat_map(make):
    layer = {"name": "embedding", "part": "Pool", "depth": 1.0}
    text = page(make(layers=(layer,)))
    assert "layers" not in sections(text)
    assert "prediction kept" not in Page(text[: text.index("<pre")]).words.lower()


def test_layers_stand_in_depth_order_under_their_parts(make):
    result = make()
    result.manifest["settings"]["layers"] = result.manifest["settings"]["layers"][::-1]
    text = page(result)
    heat = text[text.index('<section id="layers"') :]
    names = ["Early", "blocks.0", "blocks.2", "Middle", "Late", "Pool", "Final", "logits"]
    places = [heat.index(f">{name}<") for name in names]
    assert places == sorted(places)


def test_without_an_example_the_figures_have_their_own_ticks(make):
    text = page(make(example=False))
    assert not Page(text).all("img")
    wide = re.search(r'<svg class="wide".*?</svg>', text, re.DOTALL)
    assert wide
    assert "±40°" in wide[0].replace("aria-label", "").split(">", 1)[1]


def test_an_unknown_family_has_a_curve_but_no_photographs(make):
    text = page(make(names=("my_warp",)))
    assert "My_warp" not in text
    assert "my warp" in text
    assert not Page(text).all("img")


def test_classes_with_one_image_are_counted_not_ranked(make):
    result = make(classes=("a", "b", "c", "d", "e"))
    lonely = result.frame["class"] == "e"
    result.frame.loc[lonely, ["ci_low", "ci_high"]] = float("nan")
    result.frame.loc[lonely, "n"] = 1
    text = page(result)
    part = text[text.index('<section id="classes"') : text.index('<section id="numbers"')]
    assert "4 classes ranked; 1 with a single image" in part
    assert '<th scope="row">e</th>' not in part


def test_a_table_that_is_too_long_shows_the_headline_and_says_so(make, of_all_families):
    words = Page(of_all_families).words
    assert "This table shows the headline metrics only" in words
    assert "summary.parquet" in words
    short = Page(page(make(names=("rotate", "shear_x")))).words
    assert "every metric at the embedding and the logits" in short


def test_skipped_images_and_undefined_values_are_named(make):
    result = make()
    result.frame.loc[result.frame["metric"] == "relative_invariance", "n_undefined"] = 3
    words = Page(page(result)).words
    assert "broken.jpg: truncated file" in words
    assert "Relative invariance at embedding: undefined for up to 3 images in 30 cells" in words


def test_a_clean_run_says_that_it_is_clean(make):
    result = make()
    result.manifest["images"].update(skipped=[], notes=[])
    assert "every selected image was read and every value is defined" in Page(page(result)).words


def test_an_unfinished_run_says_so_first(make):
    result = make()
    result.manifest["execution"]["status"] = "running"
    assert "This run is not finished" in Page(page(result)).words


def test_the_recorded_command_is_quoted(make):
    result = make(names=("rotate",))
    result.manifest["execution"]["command"] = ["measure", "timm:resnet18", "--data", "my photos"]
    assert "invariscope measure timm:resnet18 --data 'my photos'" in Page(page(result)).words


def test_a_run_from_python_is_repeated_by_its_call():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(54, 5)
        )
    images = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
    result = invariscope.measure(
        network.eval(), images, transformations="rotate=20/40,zoom_in", groups=["C4"], layers="0",
        metrics=("relative_invariance", "channel_equivariance"), num_images=7, seed=3, fold=False,
        preprocessing={"size": 8, "mean": 0.4}, resampling=Resampling(border="reflect"), twin=True,
    )  # fmt: skip
    (call,) = re.findall(r'<pre class="command"><code>(.*?)</code>', page(result), re.DOTALL)
    known = {
        "invariscope": invariscope, "Resampling": Resampling, "model": network, "images": images
    }  # fmt: skip
    again = eval(html.unescape(call), known)
    assert_frame_equal(again.frame, result.frame)
    assert again.manifest["identity"] == result.manifest["identity"]


def test_a_run_of_an_older_version_does_not_say_that_its_call_is_whole(make):
    words = Page(page(make(names=("rotate",)))).words
    assert "invariscope.measure(model, images, ...)" in words


def test_a_skipped_image_is_named_once(make):
    result = make(names=("rotate",))
    result.manifest["execution"]["events"] = ["skipped broken.jpg: truncated file", "fewer images"]
    text = page(result)
    part = text[text.index('<section id="warnings"') : text.index('<section id="repeat"')]
    assert part.count("broken.jpg") == 1
    assert "fewer images" in part
