"""Which of a model's outputs is its answer, and what kind of answer it is."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invariscope
from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.answer import Answer, are_probabilities, is_unit

IMAGES = torch.rand(6, 3, 20, 20, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Features of 8 numbers and scores of 5 classes, put out by a function of the test's choice."""

    def __init__(self, put_out):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.narrow = nn.Linear(6, 8)
        self.fc = nn.Linear(8, 5)
        self.put_out = put_out

    def forward(self, images: Tensor) -> Any:
        features = self.narrow(self.body(images).flatten(1))
        return self.put_out(features, self.fc(features))


FORMS = {
    "features first": lambda f, s: (f, s),
    "logits first": lambda f, s: (s, f),
    "list": lambda f, s: [f, s],
    "dictionary": lambda f, s: {"feats": f, "scores": s},
    "dictionary of other names": lambda f, s: {"h": f, "y": s},
    "scaled": lambda f, s: (f, 3 * s),
    "copied features": lambda f, s: (f.clone(), s),
    "rectified features": lambda f, s: (f.relu(), s),
    "nested": lambda f, s: {"aux": None, "main": (f, {"y": s})},
    "with a loss": lambda f, s: (torch.tensor(0.3), f, s),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_answer_is_what_the_classifier_has_made(form):
    model = Net(FORMS[form]).eval()
    probe = load_model(model)
    kept = probe.forward(IMAGES, ["embedding", "logits"]).vectors
    with torch.no_grad():
        features = model.narrow(model.body(IMAGES).flatten(1))
        scores = model.fc(features) * (3 if form == "scaled" else 1)
    torch.testing.assert_close(kept["logits"], scores)
    torch.testing.assert_close(kept["embedding"], features)
    assert probe.num_outputs == 5
    assert "classification" in probe.decisions(IMAGES)["task"]


def test_two_answers_that_nothing_tells_apart_are_named():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(3, 5), nn.Linear(3, 4)

        def forward(self, images):
            pooled = images.mean((2, 3))
            return {"boxes": self.two(pooled), "kind": self.one(pooled)}

    probe = load_model(Two(), preprocessing="none")
    (doubt,) = probe.doubts(IMAGES)
    assert "puts out boxes [4], kind [5]; 'boxes' is taken" in doubt
    other = load_model(Two(), output_key="kind", preprocessing="none")
    assert other.num_outputs == 5
    assert other.doubts(IMAGES) == []
    with pytest.raises(InputError, match=r"unknown output of model .* 'kin': did you mean kind"):
        load_model(Two(), output_key="kin").decisions(IMAGES)


def test_a_key_for_a_model_with_one_output_is_refused():
    with pytest.raises(InputError, match="its output is one tensor, so there is no output 'x'"):
        load_model(Net(lambda f, s: s), output_key="x").decisions(IMAGES)


TASKS = {
    "normalised": (lambda f, s: nn.functional.normalize(s), "embedding", None),
    "one number": (lambda f, s: s[:, :1], "regression", None),
    "one number without an axis": (lambda f, s: s[:, 0], "regression", None),
    "probabilities": (lambda f, s: s.softmax(1), "classification", 5),
    "named embedding": (lambda f, s: {"image_embeds": s}, "embedding", None),
    "scores": (lambda f, s: s, "classification", 5),
}


@pytest.mark.parametrize("kind", TASKS)
def test_the_task_is_seen(kind):
    put_out, task, outputs = TASKS[kind]
    probe = load_model(Net(put_out), preprocessing="none")
    assert (probe.task, probe.num_outputs) == (task, outputs)
    layers = [layer.name for layer in probe.watch("last", IMAGES)]
    assert ("logits" in layers) == (outputs is not None)
    assert ("output" in layers) == (task == "regression")
    assert bool(probe.doubts(IMAGES)) == (kind == "normalised")


def test_features_of_a_network_that_ends_in_batch_norm_are_an_embedding():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1200, 16), nn.BatchNorm1d(16)).eval()
    probe = load_model(model)
    kept = probe.forward(IMAGES, ["embedding"]).vectors["embedding"]
    torch.testing.assert_close(kept, model(IMAGES).detach())
    assert probe.task == "embedding"


def test_the_user_says_the_task():
    unit = Net(lambda f, s: nn.functional.normalize(s))
    assert load_model(unit, task="classification").num_outputs == 5
    plain = load_model(Net(lambda f, s: s), task="embedding")
    assert plain.forward(IMAGES, ["embedding"]).vectors["embedding"].shape == (6, 5)
    assert plain.num_outputs is None
    with pytest.raises(InputError, match=r"unknown task 'segmentation'.*dense"):
        load_model(unit, task="segmentation")
    with pytest.raises(InputError, match=r"task 'classification' does not fit its answer of shape"):
        load_model(nn.Conv2d(3, 4, 1), task="classification").decisions(IMAGES)


def test_one_score_of_two_classes():
    answer = Answer((), "classification", "score")
    assert answer.logits(torch.tensor([[2.0], [-1.0]])).argmax(1).tolist() == [1, 0]
    answer = Answer((), "classification", "probability")
    assert answer.logits(torch.tensor([0.7, 0.2])).argmax(1).tolist() == [1, 0]
    model = Net(lambda f, s: s[:, :1]).eval()
    labels = (model(IMAGES)[:, 0] > 0).long().tolist()
    options: dict[str, Any] = {"transformations": "flip_horizontal", "task": "classification"}
    result = invariscope.measure(model, (IMAGES, labels), metrics="accuracy", **options)
    frame = result.frame[result.frame["class"].isna() & (result.frame["level"] == 0)]
    assert frame["value"].tolist() == [1.0]


def test_logits_of_probabilities_are_their_logarithms():
    model = Net(lambda f, s: s.softmax(1)).eval()
    kept = load_model(model).forward(IMAGES, ["logits"]).vectors["logits"]
    torch.testing.assert_close(kept.softmax(1), model(IMAGES).detach())
    torch.testing.assert_close(kept, model(IMAGES).detach().log())


def test_metrics_follow_the_task():
    def metrics(put_out, **options: Any) -> tuple[set[str], list[str]]:
        result = invariscope.measure(
            Net(put_out), IMAGES, transformations="rotate=90", layers="last", **options
        )
        return set(result.frame["metric"]), result.warnings

    found, notes = metrics(lambda f, s: s[:, 0])
    assert found == {
        "relative_invariance", "relative_invariance:l2", "mean_relative_invariance"
    }  # fmt: skip
    assert any("prediction_consistency is left out: the model's task is regr" in n for n in notes)
    found, _ = metrics(lambda f, s: s, task="multilabel")
    assert "prediction_consistency" in found
    with pytest.raises(InputError, match=r"none of the metrics can be measured: .* is embedding"):
        metrics(lambda f, s: s, task="embedding", metrics="prediction_consistency")


def test_several_labels_are_kept_together():
    def model(images: Tensor) -> Tensor:  # dark images lose the second of their two labels
        bright = images.mean((1, 2, 3))
        return torch.stack([bright + 1, bright - 0.3, bright - 5], 1)

    images = torch.full((4, 3, 8, 8), 0.5)
    images[2:] = 0.9
    options: dict[str, Any] = {
        "transformations": "brightness_down=0.5",
        "metrics": "prediction_consistency",
    }
    result = invariscope.measure(model, images, task="multilabel", **options)
    moved = result.frame[result.frame["level"] == 1]
    assert moved["value"].tolist() == [0.5]  # 0.5 → 0.25 crosses 0.3, 0.9 → 0.45 does not
    plain = invariscope.measure(model, images, task="classification", **options).frame
    assert plain[plain["level"] == 1]["value"].tolist() == [1.0]


def test_lengths_and_sums():
    rows = torch.tensor([[0.6, 0.8], [1.0, 0.0]])
    assert is_unit(rows)
    assert not are_probabilities(rows)
    assert not is_unit(torch.eye(3))
    assert are_probabilities(torch.eye(3))
