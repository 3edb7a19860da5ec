"""Benchmarks that wait for a machine which is not here: that they run whole on this one."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))


def ran(*command: object) -> dict:
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable},
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "bars"),
    [
        ("oracles", 25),
        pytest.param("sweeps", 2, marks=pytest.mark.long),
        pytest.param("resume", 2, marks=pytest.mark.long),
        pytest.param("memory", 4, marks=pytest.mark.long),
        pytest.param("embeddings", 2, marks=pytest.mark.long),
        pytest.param("channels", 1, marks=pytest.mark.long),
        pytest.param("transforms2d", 1, marks=pytest.mark.long),
        pytest.param("trace", 2, marks=pytest.mark.long),
    ],
)
def test_a_section_of_the_gpu_script_runs_on_a_cpu(section, bars, tmp_path):
    script = FOLDER / "gpu.sh"
    told = ran(script, "--device", "cpu", "--small", "--section", section, "--output", tmp_path)
    assert "measured on a CPU" in told["environment"]["note"]
    assert "failed" not in told[section], told[section]
    assert len(told[section]["bars"]) == bars
    speeds = {"embeddings", "channels", "transforms2d"}
    for bar in told[section]["bars"]:
        assert bar["met"] is (None if section in speeds else True), bar
    assert json.loads((tmp_path / "gpu.json").read_text()) == told


def test_a_section_that_fails_does_not_stop_the_others(monkeypatch, capsys, tmp_path):
    gpu = import_module("gpu")

    def section(name, options):
        return {"failed": "no", "seconds": 1} if name == "oracles" else {"bars": [], "seconds": 1}

    monkeypatch.setattr(gpu, "apart", section)
    arguments = ["gpu.py", "--device", "cpu", "--small", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["environment", *gpu.LIMITS]
    assert told["oracles"]["failed"] == "no"


def test_the_sections_together_take_eight_minutes_at_most():
    gpu = import_module("gpu")

    assert sum(gpu.LIMITS.values()) <= 480


@pytest.mark.slow
def test_rows_are_foretold_to_the_last_one():
    """The cost model counts what a run writes."""
    import numpy as np

    scale = import_module("scale")

    import invariscope
    from invariscope.sweep import SweepRequest, prepare

    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    for settings in (
        {"transformations": "rotate=20/40/90,posterize=3", "twin": True, "floor": True},
        {"groups": "C4", "metrics": "channel_equivariance,latent_eed,relative_invariance"},
        {"transformations": "rotate", "metrics": "channel_eed,channel_invariance:literal"},
    ):
        how: dict[str, Any] = {
            "model": "timm:resnet10t+untrained", "images": (pixels, [0, 1, 0, 1]),
            "layers": "layer1,layer2", "preprocessing": {"size": 32}, **settings,
        }  # fmt: skip
        setup = prepare(SweepRequest(**how)).setup
        result = invariscope.measure(workers=0, **how)
        assert len(result.rows) == 4 * scale.rows_of_image(setup)
        assert result.manifest["execution"]["forward_passes"] == 4 * setup.passes


def test_a_peer_that_is_not_there_is_said(monkeypatch):
    peer_numbers = import_module("peer_numbers")

    for name, variable in peer_numbers.NEEDS.items():
        if variable:
            monkeypatch.delenv(variable, raising=False)
            assert variable in peer_numbers.numbers_of(name)["missing"]
            monkeypatch.setenv(variable, "/nowhere")
            assert "cannot be imported" in peer_numbers.numbers_of(name)["missing"]


PROGRAM = '''"""Says 2 < 3."""
__all__ = ["é", "mean"]

def share(counts: Float[Tensor, " 2"], least: int = 3, *, whole=True) -> "1 + 1":
    """Gives 1 or 2."""
    if not whole and counts.min() <= least:
        raise ValueError(f"é {least + 1} and {2:.3f}" + str(7))
    é = -counts.clamp(0.5).sum(dim=0)
    return é / max(2, least) if counts is not None else divide(counts, least)
'''.encode()


def test_mutants_change_one_expression_and_never_text():
    finder = import_module("mutations").Finder("x.py", PROGRAM)
    changed = {(m.line, m.before.strip(), m.after.strip()) for m in finder.found}

    assert changed == {
        (4, "3", "4"), (4, "3", "2"), (4, "True", "False"),
        (6, "not", ""), (6, "and", "or"), (6, "min", "max"), (6, "<=", "<"), (6, "<=", ">="),
        (6, "not whole and counts.min() <= least", "(not (not whole and counts.min() <= least))"),
        (8, "-", ""), (8, "counts.clamp(0.5)", "(counts)"), (8, "sum", "mean"),
        (8, "0.5", "1.0"), (8, "0.5", "0.25"), (8, "0", "1"), (8, "0", "-1"),
        (9, "/", "*"), (9, "max", "min"), (9, "2", "3"), (9, "2", "1"), (9, "is not", "is"),
        (9, "counts, least", "least, counts"),
    }  # fmt: skip
    for mutant in finder.found:
        rest = PROGRAM[: mutant.start], PROGRAM[mutant.end :]
        assert mutant.applied(PROGRAM) == mutant.after.encode().join(rest)
        assert PROGRAM[mutant.start : mutant.end].decode() == mutant.before


def test_a_draw_of_mutants_is_repeated_and_spread_by_lines(tmp_path):
    mutations = import_module("mutations")
    for place, folder in enumerate(mutations.FOLDERS, start=1):
        (tmp_path / "src/invariscope" / folder).mkdir(parents=True)
        lines = "".join(f"def f{n}(x):\n    return x + {n}\n" for n in range(10 * place))
        (tmp_path / "src/invariscope" / folder / "one.py").write_text(lines)

    first = mutations.drawn(56, 7, tmp_path)
    assert first == mutations.drawn(56, 7, tmp_path)
    assert first != mutations.drawn(56, 8, tmp_path)
    files = [mutant.file.removeprefix("src/invariscope/") for mutant in first]
    assert [files.count(f"{folder}/one.py") for folder in mutations.FOLDERS] == [*range(2, 15, 2)]
    assert len({(mutant.file, mutant.line) for mutant in first}) == 56
