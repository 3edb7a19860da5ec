#!/usr/bin/env bash
# pytest 9.2.0 and beartype 0.23.1: are the functions of a package checked that brings its own pytest plugin?
#
# The guess: yes; `beartype_package` in a plug-in that `-p` loads first puts beartype's import hook before everything, and
# tests fail where a call breaks an annotation. A package that declares an entry point "pytest11" (a project with assertions
# for its users) is itself marked for pytest's rewriting of assertions, all of its modules, where it is installed as
# editable. pytest's hook comes first and loads these modules itself, so that no other import hook sees them: calls with
# wrong types pass, without a word. The same package without the entry point is checked.
#
# Seen: pytest 9.2.0 | without an entry point: checked | with one: not checked
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "pytest==9.2.0" "beartype==0.23.1" "hatchling==1.27.0" "editables==0.5"
cd "$folder"
for kind in plain plugin; do
    mkdir -p "$kind/src/measured_$kind" "$kind/tests"
    cat >"$kind/pyproject.toml" <<TOML
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "measured-$kind"
version = "1"
TOML
    [ "$kind" = plugin ] && cat >>"$kind/pyproject.toml" <<TOML
[project.entry-points.pytest11]
measured = "measured_plugin.fixtures"
TOML
    touch "$kind/src/measured_$kind/__init__.py" "$kind/src/measured_$kind/fixtures.py"
    printf 'def half(value: int) -> float:\n    return value / 2\n' >"$kind/src/measured_$kind/numbers.py"
    cat >"$kind/tests/checking.py" <<PY
from beartype.claw import beartype_package


def pytest_load_initial_conftests():
    beartype_package("measured_$kind")
PY
    cat >"$kind/tests/test_numbers.py" <<PY
import pytest
from beartype.roar import BeartypeCallHintViolation

from measured_$kind.numbers import half


def test_a_wrong_type_is_seen():
    with pytest.raises(BeartypeCallHintViolation):
        half(0.5)
PY
    "$folder/venv/bin/pip" install -q --no-build-isolation --no-deps -e "./$kind"
done
run() {
    (cd "$1" && PYTHONPATH=tests "$folder/venv/bin/python" -m pytest -q -p checking -p no:cacheprovider tests) >"$1.log" 2>&1 &&
        echo checked || echo "not checked"
}
plain=$(run plain)
plugin=$(run plugin)
echo "pytest $("$folder/venv/bin/python" -c 'import pytest; print(pytest.__version__)') | without an entry point: $plain | with one: $plugin"
grep -q "DID NOT RAISE" plugin.log
[ "$plain" = checked ] && [ "$plugin" = "not checked" ]
