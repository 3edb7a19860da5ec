"""Which output stands for which class: by name, by number, in their order, or no accuracy."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

import invariscope
from invariscope.data import open_source, select
from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.classes import imagenet_class_ids, imagenet_class_names
from invariscope.models.trained import save_trained
from invariscope.sweep.targets import match_classes


@pytest.fixture(scope="module")
def imagenet():
    return load_model("timm:resnet10t+untrained")


def classifier(outputs, **attributes):
    torch.manual_seed(outputs)  # or one in 700 has scores of length 1 and looks like an embedding
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, outputs))
    model.__dict__.update(attributes)
    return load_model(model)


def named(*names):
    return classifier(len(names)).with_class_names(names)


def folder(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(root / name / "a.png")
    return open_source(root)


class Listed(Dataset):
    """A data set that keeps numbers and names."""

    def __init__(self, targets, classes=None, say=lambda label: label):
        self.targets, self.say = targets, say
        if classes is not None:
            self.classes = classes

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return Image.new("RGB", (4, 4)), self.say(self.targets[index])


def outputs(source, probe, **more):
    """The outputs as a list, or the reason."""
    match = match_classes(source, probe, **more)
    return match.decision if match.outputs is None else match.outputs.tolist()


def test_wordnet_ids_are_looked_up(tmp_path, imagenet):
    match = match_classes(folder(tmp_path, "n02123045", "n01440764"), imagenet)
    assert match.outputs is not None
    assert match.outputs.tolist() == [0, 281]  # in the order of the folders: tench, tabby
    assert "by name with the model's 1000" in match.decision
    assert match.warnings == ()


def test_a_source_that_knows_imagenet_says_which_outputs_are_right(tmp_path, imagenet):
    source = folder(tmp_path, "bird", "cat", "n01440764")
    source.imagenet_outputs = [(7, 8, 9), (281,), (0, 1)]
    assert outputs(source, imagenet) == [[7, 8, 9], [281, -1, -1], [0, 1, -1]]
    assert "2 of the 3 classes have several" in match_classes(source, imagenet).decision
    # a model that is not of ImageNet: its outputs have nothing to do with these
    assert outputs(source, classifier(3)) == [0, 1, 2]


def test_any_right_output_counts_in_a_run(tmp_path, imagenet):
    source = folder(tmp_path, "all", "none")
    source.imagenet_outputs = [range(1000), (1000,)]  # every answer is right; none can be
    result = invariscope.measure(
        imagenet, source, transformations="rotate=90", metrics="accuracy", layers="last",
        twin=False, floor=False,
    )  # fmt: skip
    frame = result.frame[result.frame["class"].notna()]
    assert set(frame.loc[frame["class"] == "all", "value"]) == {1.0}
    assert set(frame.loc[frame["class"] == "none", "value"]) == {0.0}


def test_as_many_classes_as_outputs(tmp_path):
    match = match_classes(folder(tmp_path, "cat", "dog"), classifier(2))
    assert match.outputs is not None
    assert match.outputs.tolist() == [0, 1]
    assert "in their order: as many of each" in match.decision
    assert match.warnings == ()  # a decision, no warning


def test_no_basis_for_an_accuracy(tmp_path, imagenet):
    match = match_classes(folder(tmp_path, "cat", "dog"), imagenet)
    assert match.outputs is None
    assert "the data have 2 classes and the model 1000 outputs" in match.decision
    assert match.warnings == (match.decision,)
    headless = load_model(lambda x: x)
    assert outputs(open_source(tmp_path), headless) == (
        "accuracy is not measured: the model gives no class scores"
    )


@pytest.mark.parametrize(
    ("labels", "reason"),
    [([0, 4], ""), ([0, 5], "a label is 5, the model has 5 outputs, 0 to 4$"),
     ([1, 2, 3, 4, 5], "5 outputs, 0 to 4; they seem to count from 1: subtract 1"),
     ([94110, 10**9], "a label is 1000000000, the model has 5 outputs, 0 to 4$")],
)  # fmt: skip
def test_labels_without_names_are_outputs(labels, reason):
    import re

    images = np.zeros((len(labels), 4, 4, 3), dtype=np.uint8)
    found = outputs(open_source((images, labels)), classifier(5))
    assert re.search(reason, found) if reason else found == [0, 1, 2, 3, 4]
    unlabelled = match_classes(open_source(torch.zeros(2, 3, 4, 4)), classifier(5))
    assert (unlabelled.outputs, unlabelled.decision) == (None, "")


def test_labels_from_1_that_fit_are_doubted():
    images = np.zeros((3, 4, 4, 3), dtype=np.uint8)
    match = match_classes(open_source((images, [1, 2, 3])), classifier(5))
    assert "run from 1 to 3" in match.warnings[0]
    assert match_classes(open_source((images, [1, 4, 3])), classifier(5)).warnings == ()


def test_a_background_before_the_classes_is_thought_of():
    images = np.zeros((3, 4, 4, 3), dtype=np.uint8)
    (warning,) = match_classes(open_source((images, [0, 5, 999])), classifier(1001)).warnings
    assert "class k is then output k + 1" in warning
    assert match_classes(open_source((images, [0, 5, 1000])), classifier(1001)).warnings == ()
    assert match_classes(open_source((images, [0, 5, 999])), classifier(1000)).warnings == ()


def test_a_label_that_only_the_item_tells_has_an_output_or_stops():
    class Items(Dataset):
        def __len__(self):
            return 80

        def __getitem__(self, index):
            return Image.new("RGB", (4, 4), (index, 0, 0)), 3 if index == odd else index % 3

    odd = -1
    chosen = select(open_source(Items()), None, 0)
    odd = chosen[70]  # in the last block: when the run starts, nobody knows

    with pytest.raises(
        InputError, match=f"image {odd} has the label 3, .*outputs 0 to 2; labels count"
    ):
        invariscope.measure(
            classifier(3), Items(), transformations="flip_horizontal", metrics="accuracy"
        )


@pytest.mark.parametrize("names", [("0", "3", "11"), ("0000", "0003", "0011")])
def test_names_that_are_numbers_are_outputs(tmp_path, names):
    match = match_classes(folder(tmp_path, *names), classifier(12))
    assert match.outputs is not None
    assert match.outputs.tolist() == [0, 3, 11]
    assert "the name of a class is the number" in match.decision
    # ImageFolder sorts "11" before "3", but "0011" after "0003"
    assert len(match.warnings) == (names[0] == "0")


def test_all_numbers_in_the_place_of_outputs(tmp_path, imagenet):
    source = folder(tmp_path, *map(str, range(1000)))
    assert outputs(source, imagenet) == list(range(1000))


def test_numbers_that_do_not_fit(tmp_path):
    ones = folder(tmp_path / "ones", "1", "2", "3")
    assert "a class is named 3, the model has outputs 0 to 2; they seem" in outputs(
        ones, classifier(3)
    )
    assert "named 1 to 3 and taken as" in match_classes(ones, classifier(4)).warnings[0]
    assert "outputs 0 to 2; `model_classes` says" in outputs(
        folder(tmp_path / "far", "0", "1", "7"), classifier(3)
    )
    twice = folder(tmp_path / "twice", "1", "01")
    assert outputs(twice, classifier(2)) == [0, 1]  # no numbers then, but as many as outputs


def test_numbers_and_labels_that_contradict_each_other(tmp_path):
    from torchvision.datasets import ImageFolder

    folder(tmp_path, *map(str, range(11)))
    found = outputs(open_source(ImageFolder(tmp_path)), classifier(11))
    assert "label 2 is named '10': names that are numbers and labels contradict" in found
    source = open_source(ImageFolder(tmp_path))
    assert outputs(source, classifier(11), in_order=True) == list(range(11))


def test_classes_are_matched_by_name_whatever_the_order(tmp_path):
    source = folder(tmp_path, "cat", "dog", "horse")
    assert outputs(source, named("cat", "dog", "horse")) == [0, 1, 2]
    match = match_classes(source, named("horse", "cat", "dog"))
    assert match.outputs is not None
    assert match.outputs.tolist() == [1, 2, 0]
    assert "whatever their order" in match.decision
    assert outputs(source, named("Horse", "CAT", "mad_dog", "dog")) == [1, 3, 0]
    fewer = open_source((np.zeros((2, 4, 4, 3), np.uint8), ["dog", "cat"]))
    assert outputs(fewer, named("horse", "cat", "dog")) == [1, 2]


def test_a_class_that_the_model_does_not_have_gets_no_output(tmp_path):
    match = match_classes(folder(tmp_path, "ant", "cat"), named("cat", "dog"))
    assert match.outputs is not None
    assert match.outputs.tolist() == [-1, 0]
    assert "no class of the model, so without accuracy: ant" in match.warnings[0]


def test_names_that_contradict_give_no_number(tmp_path):
    source = folder(tmp_path, "ant", "bee")
    found = outputs(source, named("cat", "dog"))
    assert "none of the data's names (ant, bee) is among the model's (cat, dog)" in found
    assert outputs(source, named("cat", "dog"), in_order=True) == [0, 1]


def test_spelling_decides_where_case_does(tmp_path):
    source = folder(tmp_path, "Cardigan", "x")
    assert outputs(source, named("cardigan", "Cardigan", "x")) == [1, 2]
    assert outputs(source, named("cardigan", "CARDIGAN", "x")) == [-1, 2]  # which of the two?


def test_numbers_as_names_on_both_sides(tmp_path):
    source = folder(tmp_path, "1", "2", "3")
    assert outputs(source, named("1", "2", "3")) == [0, 1, 2]
    assert outputs(source, named("03", "02", "01")) == [2, 1, 0]
    assert outputs(source, named(*"abcd")) == [1, 2, 3]  # no names of the model's


def test_numbers_moved_on_purpose_are_outputs():
    source = open_source(Listed([0, 1, 2], ["ant", "bee", "cow"], lambda label: label + 4))
    assert outputs(source, classifier(10)) == list(range(10))
    assert outputs(source, named(*"abcdefghij")) == list(range(10))
    contrary = [*"abcdef", "cow", "h", "ant", "j"]
    assert "labels say that ant is output 4, the model's names say another" in outputs(
        source, named(*contrary)
    )


def test_fewer_names_than_outputs_are_no_basis():
    source = open_source(Listed([0, 1, 2], ["ant", "bee", "cow"]))
    assert "3 classes and the model 10 outputs; `model_classes`" in outputs(source, classifier(10))
    assert outputs(source, classifier(10), in_order=True) == list(range(10))
    assert "3 classes and the model 2 outputs" in outputs(source, classifier(2), in_order=True)


def test_wordnet_ids_and_a_model_of_which_nothing_is_known(tmp_path):
    source = folder(tmp_path, "n01440764", "n02102040", "n02979186")
    model = classifier(1000)
    found = outputs(source, model)
    assert "not known that they are ImageNet's in their usual order; `model_classes='im" in found
    assert outputs(source, model.with_class_names("imagenet")) == [0, 217, 482]
    assert outputs(source, classifier(3)) == [0, 1, 2]


def test_names_of_imagenet_are_found_all_or_not_at_all(tmp_path, imagenet):
    names = imagenet_class_names()
    assert outputs(folder(tmp_path / "a", "tench", "tabby"), imagenet) == [281, 0]
    assert outputs(folder(tmp_path / "b", names[0][1], "great_white_shark"), imagenet) == [2, 0]
    # the mouse of ImageNet is a computer's
    found = outputs(folder(tmp_path / "c", "mouse", "horse"), imagenet)
    assert "not all of the data's names (horse)" in found
    assert "WordNet id" in found


def test_all_1000_names_with_two_that_are_the_same(imagenet):
    names = [own[-1].partition(",")[0] for own in imagenet_class_names()]
    assert len(set(names)) < 1000
    own = imagenet.with_class_names(names)
    source = open_source(Listed(list(range(1000)), names))
    assert outputs(source, own) == list(range(1000))


def test_imagenet_21k_has_an_order_of_its_own(tmp_path):
    probe = load_model("timm:mobilenetv3_small_050.lamb_in1k+untrained")
    assert probe.class_ids == imagenet_class_ids()
    large = classifier(11821, pretrained_cfg={"num_classes": 11821, "architecture": "resnet10t"})
    assert large.class_ids is not None
    place = large.class_ids.index("n02123045")
    assert outputs(folder(tmp_path, "n02123045"), large) == [place]


def test_what_a_configuration_tells():
    class Config:
        id2label = {0: "cat", 1: "dog"}  # noqa: RUF012

    assert classifier(2, config=Config()).class_names == ("cat", "dog")
    assert classifier(3, config=Config()).class_names is None  # not one for each
    Config.id2label = {0: "LABEL_0", 1: "LABEL_1"}
    assert classifier(2, config=Config()).class_names is None
    card = {"label_names": ["n01440764", "n02102040"], "num_classes": 2}
    assert classifier(2, pretrained_cfg=card).class_ids == ("n01440764", "n02102040")


def test_names_from_a_file(tmp_path):
    model = classifier(2)
    for name, text in (
        ("a.txt", "cat\n\ndog\n"),
        ("b.json", json.dumps(["cat", "dog"])),
        ("c.json", json.dumps({"1": "dog", "0": "cat"})),
        ("d.json", json.dumps({"0": ["cat", "Katze"], "1": ["dog", "Hund"]})),
    ):
        (tmp_path / name).write_text(text)
        assert model.with_class_names(tmp_path / name).class_names == ("cat", "dog")
    (tmp_path / "e.json").write_text("{")
    for words in ("nowhere.txt", tmp_path / "e.json"):
        with pytest.raises(InputError, match="is no file of class names"):
            model.with_class_names(words)
    with pytest.raises(InputError, match="3 names for the 2 outputs of module:Sequential"):
        model.with_class_names(["a", "b", "c"])


def colour(name):
    return {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (9, 9, 9)}[name]


def test_a_run_of_a_trained_network_whose_order_is_its_own(tmp_path):
    """Right about each colour: 1 in each folder of one of its classes, nothing for another."""
    from invariscope.models.architecture import build_architecture

    spec = "small:cnn7?width=0.1"
    module, needs = build_architecture(spec, num_classes=3, seed=0)
    save_trained(
        tmp_path / "net", module, architecture=spec, num_classes=3,
        class_names=("red", "green", "blue"), preprocessing=needs, seed=0,
    )  # fmt: skip
    for name in ("blue", "green", "grey"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (28, 28), colour(name)).save(tmp_path / f"data/{name}/{number}.png")
    result = invariscope.measure(
        f"trained:{tmp_path / 'net'}", tmp_path / "data", transformations="flip_horizontal",
        metrics="accuracy", layers="last",
    )  # fmt: skip
    probe = load_model(f"trained:{tmp_path / 'net'}")
    assert probe.class_names == ("red", "green", "blue")
    rows = result.rows[(result.rows.cell == "identity") & (result.rows.metric == "accuracy")]
    names = ("red", "green", "blue")
    for image, value in zip(rows.image, rows.value, strict=True):
        name = image.split("/")[0]
        answer = int(probe.predict(Image.new("RGB", (28, 28), colour(name))).argmax())
        right = np.nan if name == "grey" else float(names[answer] == name)
        assert np.array_equal(value, right, equal_nan=True)
    assert "2 of 3 classes are matched by name" in result.manifest["decisions"]["class match"]
    assert any("without accuracy: grey" in line for line in result.manifest["warnings"])
    assert result.manifest["decisions"]["labels"].startswith("a class is a top folder")


def test_accuracy_without_a_basis_is_no_matter_where_nobody_asks(tmp_path):
    source = folder(tmp_path, "ant", "bee")
    how: dict = {"transformations": "flip_horizontal", "layers": "last"}
    result = invariscope.measure(classifier(5), source, metrics="relative_invariance", **how)
    assert not any("accuracy" in line for line in result.manifest["warnings"])
    assert "accuracy is not measured" in result.manifest["decisions"]["class match"]
    result = invariscope.measure(classifier(5), source, **how)
    assert any("accuracy is not measured" in line for line in result.manifest["warnings"])


def test_other_classes_are_another_run(tmp_path):
    source = folder(tmp_path / "data", "ant", "bee")
    how: dict = {"transformations": "flip_horizontal", "output": tmp_path / "run"}
    model = classifier(2)
    invariscope.measure(model, source, model_classes=["ant", "bee"], **how)
    invariscope.measure(model, source, model_classes=["ant", "bee"], **how)  # resumes
    with pytest.raises(InputError, match="model_classes is"):
        invariscope.measure(model, source, model_classes="order", **how)


@pytest.mark.parametrize(
    ("labels", "expected"), [([0, -1], [1, 0]), ([0, 0], [1, -1]), ([1, 1], [-1, 0])]
)
def test_where_a_label_is_known_later_all_classes_are_looked_up(labels, expected):
    source: Any = SimpleNamespace(
        labels=np.array(labels), class_names=("ant", "bee"), class_ids=None, imagenet_outputs=None,
        label_meaning="names",
    )  # fmt: skip
    assert outputs(source, named("bee", "ant")) == expected
