import json

import pytest
import torch

import invariscope
from invariscope.errors import InputError
from invariscope.models import load_model

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 32, "image_size": 32, "patch_size": 8}  # fmt: skip
IMAGES = torch.rand(3, 3, 32, 32)


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    config = transformers.ViTConfig(**SMALL, num_labels=5)
    return transformers.ViTForImageClassification(config).eval()


@pytest.fixture
def folder(classifier, tmp_path, capfd):
    classifier.save_pretrained(tmp_path)
    transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]
    ).save_pretrained(tmp_path)
    capfd.readouterr()
    return tmp_path


def test_a_classifier_and_its_image_processor(folder, classifier, capfd):
    probe = load_model(f"transformers:{folder}")
    assert capfd.readouterr() == ("", "")
    assert not probe.warnings
    assert probe.preprocessing.mean == (0.1, 0.2, 0.3)
    assert probe.preprocessing.source == f"image processor in {folder}"
    assert probe.num_outputs == 5
    assert "ViTForImageClassification" in probe.decisions(IMAGES)["class"]
    normalised = (IMAGES - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor(
        [0.4, 0.5, 0.6]
    )[:, None, None]
    with torch.no_grad():
        wanted = classifier(normalised).logits
    found = probe.forward(IMAGES, ["logits"]).vectors["logits"]
    assert torch.allclose(found, wanted, atol=1e-5)
    result = invariscope.measure(f"transformers:{folder}", IMAGES, transformations="rotate=90")
    assert "logits" in set(result.frame["layer"])


def test_its_twin_is_drawn_by_the_seed(folder):
    spec = f"transformers:{folder}"
    twin = load_model(spec).untrained(3)
    again = load_model(f"{spec}+untrained", seed=3)
    assert twin.weights_hash == again.weights_hash != load_model(spec).weights_hash
    assert again.num_outputs == 5


def test_a_module_finds_the_settings_beside_its_weights(folder, classifier):
    loaded = transformers.ViTForImageClassification.from_pretrained(folder)
    assert load_model(loaded).preprocessing.std == (0.4, 0.5, 0.6)
    built = load_model(classifier)
    assert built.warnings[0].startswith("mean and std are unknown")
    assert "its configuration says image_size 32" in built.warnings[0]


def test_without_an_image_processor_it_is_unknown(classifier, tmp_path):
    classifier.save_pretrained(tmp_path)
    (line,) = load_model(f"transformers:{tmp_path}").warnings
    assert line.startswith("mean and std are unknown")
    assert not load_model(f"transformers:{tmp_path}", preprocessing="inception").warnings


def test_arrays_that_are_not_there_are_named(classifier, folder):
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    state = {n: v for n, v in load_file(file).items() if not n.startswith("classifier")}
    save_file(state, file, metadata={"format": "pt"})
    (line,) = load_model(f"transformers:{folder}").warnings
    assert "2 arrays are not in the folder and were drawn at random: classifier.bias" in line


def test_of_pictures_and_texts_the_tower_for_pictures(tmp_path):
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "vocab_size": 50}  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=SMALL, projection_dim=8)
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    probe = load_model(f"transformers:{tmp_path}", preprocessing="none")
    with torch.no_grad():
        wanted = model.visual_projection(model.vision_model(IMAGES).pooler_output)
    found = probe.forward(IMAGES, ["embedding"]).vectors["embedding"]
    assert found.shape == (3, 8)
    assert torch.allclose(found, wanted, atol=1e-5)
    twin = probe.untrained(0)
    assert twin.forward(IMAGES, ["embedding"]).vectors["embedding"].shape == (3, 8)


def test_wrong_folders_are_one_line(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18"}))
    (tmp_path / "other").mkdir()
    config = {"model_type": "vit", "architectures": ["OwnModel"]}
    (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    for place, message in (
        (
            "google/vit-base-patch16-224",
            "is no folder with a config.json; .*hf download google/vit",
        ),
        (tmp_path, "its config.json is not of transformers"),
        (tmp_path / "other", r"names \['OwnModel'\], which transformers"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load_model(f"transformers:{place}")
        assert "\n" not in str(caught.value)
