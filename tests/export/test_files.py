"""CSV, Parquet and LaTeX."""

import re

import pandas as pd
import pytest

from invariscope.errors import InputError
from invariscope.export import Record, export_run
from invariscope.export.files import escaped, latex, to_file
from invariscope.export.of_run import Choice
from invariscope.files import read_csv
from invariscope.results import Result


def test_the_tidy_frame(run, tmp_path):
    for form in ("csv", "parquet"):
        path = tmp_path / f"frame.{form}"
        assert export_run(run, form, output=path)[0] == f"{form}: {path}"
        found = read_csv(path) if form == "csv" else pd.read_parquet(path)
        expected = Result.load(run).frame
        assert found["value"].tolist() == pytest.approx(expected["value"].tolist(), nan_ok=True)
        assert found["metric"].tolist() == expected["metric"].tolist()


def test_names_from_outside_are_no_formulas(tmp_path):
    frame = pd.DataFrame({"class": ["=1+1", "@x", "cat"], "value": [1.0, -2.0, 3.0]})
    record = Record("measure", "m", "id", {}, {}, (), {}, frame, frame)
    text = to_file(record, "csv", tmp_path / "a.csv").read_text()
    assert text.splitlines()[1:] == ["'=1+1,1.0", "'@x,-2.0", "cat,3.0"]


def test_what_is_there_is_left_alone(run, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    with pytest.raises(InputError, match=r"mine.csv is there already: give `replace`"):
        export_run(run, "csv", output=path)
    assert path.read_text() == "mine"
    export_run(run, "csv", output=path, replace=True)
    assert path.read_text() != "mine"


def test_a_table_for_a_paper(run, tmp_path):
    path = tmp_path / "table.tex"
    export_run(run, "latex", output=path, label="tab:a")
    text = path.read_text()
    averages = Result.load(run).averages("relative_invariance", "rotate")
    row = averages[averages["layer"] == "embedding"].iloc[0]
    line = next(line for line in text.splitlines() if line.startswith("rotation & "))
    numbers = [float(n) for n in re.findall(r"-?\d+\.\d+", line)[:3]]
    assert numbers == pytest.approx([row.value, row.ci_low, row.ci_high], abs=0.051)
    for part in (
        r"\toprule",
        r"\bottomrule",
        r"\label{tab:a}",
        "Relative invariance &",
        "booktabs",
    ):
        assert part in text
    assert "l2" not in text
    choice = Choice(metrics=("relative_invariance:l2",))
    export_run(run, "latex", output=path, replace=True, choice=choice)
    assert "Relative invariance (l2) \\\\" in path.read_text()


def test_models_side_by_side(run, other, tmp_path):
    path = tmp_path / "two.tex"
    with pytest.raises(InputError, match="a comparison has no folder of its own: give"):
        export_run([run, other], "latex")
    export_run([run, other], "latex", output=path)
    text = path.read_text()
    assert text.count("& module:Net (run) & module:Net (other)") == 1 + text.count("Prediction")
    assert r"\multicolumn{2}{c}{Relative invariance}" in text


def test_trainings(trained, tmp_path):
    text_of = {}
    for form in ("csv", "latex"):
        export_run(trained, form, output=tmp_path / form)
        text_of[form] = (tmp_path / form).read_text()
    table = read_csv(tmp_path / "csv")
    assert set(table["seed"]) == {0, 1}
    assert "none & $" in text_of["latex"]


def test_latex_of_any_name():
    assert escaped("a_b&c%$#{}~^\\") == (
        r"a\_b\&c\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert escaped("\x1b[31m 5° ±1×") == (
        r"\textbackslash{}x1b[31m 5\textdegree{} \textpm{}1\texttimes{}"
    )
    cells = pd.DataFrame({0: [(-0.5, -0.6, -0.4), None]}, index=pd.Index(["a_&", "b"], name="x"))
    cells.columns = pd.Index([("100%",)], tupleize_cols=False)
    record = Record("measure", "m & d", "id", {}, {}, (), {}, cells, cells, paper=cells)
    text = latex(record)
    assert r"a\_\& & $-0.50$ {\footnotesize $[-0.60,\,-0.40]$} \\" in text
    assert r"b & -- \\" in text
    assert r"100\%" in text
    assert r"m \& d" in text


def test_a_narrow_interval_beside_a_wide_one_keeps_its_decimals():
    cells = pd.DataFrame(
        {0: [(-0.5, -1.5, 1.5), (-0.003, -0.012, 0.021)]}, index=["wide", "narrow"]
    )
    cells.columns = pd.Index([("metric",)], tupleize_cols=False)
    record = Record("measure", "m", "id", {}, {}, (), {}, cells, cells, paper=cells)
    assert r"narrow & $0.00$ {\footnotesize $[-0.01,\,0.02]$} \\" in latex(record)
    cells.iloc[0, 0] = (1234.5, 1000.25, 1500.75)
    assert r"wide & $1234$ {\footnotesize $[1000,\,1501]$} \\" in latex(record)
