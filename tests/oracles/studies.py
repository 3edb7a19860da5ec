"""A study that trains nothing: known tables, figures and verdicts, for pages and commands."""

import pandas as pd

from invariscope.studies.claims import above, below, decide, not_run, within
from invariscope.studies.lab.figures import Curve, Dot, curves, dots
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.studies.lab.study import Study

EVIL = "<script>alert(1)</script>"
PRESET = {"data": "samples", "seeds": (0, 1, 2), "epochs": 2.0}


def known(lab, settings) -> Findings:
    """All four verdicts, both kinds of figures, and texts that must be escaped."""
    rows = [Dot(f"{EVIL} & co", 0.5, 0.4, 0.6, (0.4, 0.6), "a"), Dot("none", float("nan"))]
    series = [Curve(f"curve {k}", [0, 1, 2], [1, 0.8, 0.5 + k], [0.9, 0.7, 0.4], [1, 1, 0.6])
              for k in (0, 0.1)]  # fmt: skip
    claims = [
        decide("000.c5", [above([0.1, 0.12, 0.11], name="one"), above([0.3, 0.2, 0.25])],
               ran_on=EVIL),
        decide("000.c6", [within([0.5, 0.51, 0.52], -0.05, 0.05, name="mean"),
                          below([0.5, 0.5, 0.5], 1, name="ratio")], note="a note of a claim"),
        decide("000.c7", below([0.1, -0.1, 0.2])),
        not_run("000.c8", "no ViT here"),
    ]  # fmt: skip
    table = pd.DataFrame({"name": [EVIL, "b"], "value": [0.123456, float("nan")], "n": [3, 4]})
    figures = [
        dots("Dots", "Marks are means.", rows, x_label="value"),
        curves("Curves", "Over levels.", series, x_label="level", y_label="value", line=0),
    ]
    return Findings({"values": table}, figures, claims, [f"seeds {settings['seeds']}", EVIL])


def known_study(name: str = "toy") -> Study:
    """The study, not registered."""
    presets = {"smoke": PRESET, "laptop": PRESET, "paper": PRESET}
    cost = dict.fromkeys(presets, "nothing")
    return Study(name, "000 §3", "Is it so?", "It is so.", cost, presets, known)


def known_run(folder, preset: str = "laptop"):
    """The study, run into a folder."""
    return run_study(known_study(), preset, output=folder / "run", lab=Lab(folder / "jobs"))
