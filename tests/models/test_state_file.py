import argparse
import collections
import datetime
import types
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.models.state_file import read_state, read_weights

WEIGHTS = {"fc.weight": torch.ones(2, 3), "fc.bias": torch.zeros(2)}
VALUES = {
    "a NumPy number": np.float64(0.5),
    "a NumPy whole number": np.int64(3),
    "a NumPy truth": np.bool_(True),
    "a NumPy array": np.zeros(3),
    "a NumPy array of words": np.array(["a", "b"]),
    "a NumPy generator's state": np.random.RandomState(0).get_state(),
    "a type of NumPy": np.dtype("float32"),
    "a path": Path("runs/1"),
    "a pure path": PureWindowsPath("runs"),
    "a dictionary with a default": collections.defaultdict(list, {"loss": [1.0]}),
    "nested": collections.defaultdict(dict, {"a": {"b": np.float32(1)}}),
    "in order": collections.OrderedDict(a=Path("b")),
    "a queue": collections.deque([1, 2], maxlen=3),
    "arguments": argparse.Namespace(lr=np.float32(0.1), out=Path("runs")),
    "a plain object": types.SimpleNamespace(a=1),
    "a date": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "a duration": datetime.timedelta(hours=3),
    "sets": (frozenset({1}), {2}, slice(1), range(3)),
    "a type": (int, torch.float32),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_beside_the_weights_are_let_in(kind, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": WEIGHTS, "beside": VALUES[kind]}, path)
    found = read_state(path)
    assert {n: v.tolist() for n, v in found.items()} == {n: v.tolist() for n, v in WEIGHTS.items()}


class Runs:
    def __reduce__(self):
        return (print, ("executed",))


class OfTheUser:
    pass


@pytest.mark.parametrize(
    "content",
    [Runs(), OfTheUser(), print, collections.defaultdict(print), np.array([Runs()], dtype=object)],
)
def test_what_could_run_code_is_refused_and_does_not_run(content, tmp_path, capsys):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": WEIGHTS, "beside": content}, path)
    with pytest.raises(InputError, match=r"pickled Python objects .*, which can run code"):
        read_state(path)
    assert "executed" not in capsys.readouterr().out


def test_the_largest_of_unknown_keys_holds_the_weights(tmp_path):
    path = tmp_path / "weights.pt"
    small = {"a": torch.ones(1)}
    torch.save({"head": small, "mine": WEIGHTS, "optimizers": {i: torch.ones(1) for i in "abcd"},
                "last": small}, path)  # fmt: skip
    assert read_state(path).keys() == WEIGHTS.keys()


def test_of_several_sets_of_weights_the_taken_one_is_named(tmp_path):
    path = tmp_path / "weights.pt"
    average = {name: value + 1 for name, value in WEIGHTS.items()}
    torch.save({"state_dict": WEIGHTS, "state_dict_ema": average, "epoch": 3}, path)
    found, said = read_weights(path)
    assert found["fc.weight"].tolist() == average["fc.weight"].tolist()
    assert "under 'state_dict_ema' are taken, not those under 'state_dict';" in said
    torch.save({"state_dict": WEIGHTS, "optimizer": {"fc.weight": 1, "fc.bias": 2}}, path)
    assert read_weights(path)[1] == ""
