#!/usr/bin/env bash
# Ray 2.60.0 and beartype 0.23.1: can a class whose types are checked as it runs be an actor?
#
# The guess: yes; @beartype returns the same class with wrapped methods, and such classes pass for the plain ones
# everywhere else (pickled, inherited from, in dataclasses). beartype also gives the class a `__sizeof__` of its own, made
# from the built-in method descriptor. `ray.remote` looks for a signature in every method that a class defines itself and
# ends in an AttributeError that names neither the class nor beartype. A subclass without the decorator ends likewise;
# the class works once the method is taken from it.
#
# Seen: ray 2.60.0, beartype 0.23.1 | plain: made | checked: AttributeError: 'method_descriptor' object has no attribute
# '__signature__' | __sizeof__ of its own: True | subclass of the checked one: AttributeError: 'method_descriptor'
# object has no attribute '__signature__' | without __sizeof__: made
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "ray==2.60.0" "beartype==0.23.1"
HOME="$folder" "$folder/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import ray
from beartype import beartype


class Plain:
    def __init__(self, start: int):
        self.value = start

    def add(self, more: int) -> int:
        self.value += more
        return self.value


@beartype
class Checked:
    def __init__(self, start: int):
        self.value = start

    def add(self, more: int) -> int:
        self.value += more
        return self.value


class Below(Checked):
    pass


def made(kind):
    try:
        ray.remote(kind)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "made"


plain, checked, below = made(Plain), made(Checked), made(Below)
own = "__sizeof__" in vars(Checked)
if own:
    del Checked.__sizeof__
without = made(Checked)
print(
    f"ray {version('ray')}, beartype {version('beartype')} | plain: {plain} | checked: {checked} | __sizeof__ of its own: "
    f"{own} | subclass of the checked one: {below} | without __sizeof__: {without}"
)
if (plain, without) != ("made", "made") or "__signature__" not in checked or below != checked or not own:
    sys.exit("the behaviour has changed")
PY
