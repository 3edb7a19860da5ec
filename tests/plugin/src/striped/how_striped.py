"""How striped may an image be before a network of random weights takes it for another?"""

import pandas as pd

import invariscope
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study


@study(
    "how-striped",
    paper="none",
    question="How striped may an image be before a network takes it for another?",
    expected="Nothing is known.",
    cost={"smoke": "seconds"},
    presets={"smoke": {"images": 4}},
)
def how_striped(lab: Lab, settings: dict) -> Findings:
    """Measures one small network."""
    result = invariscope.measure(
        "small:cnn7?width=0.2&size=16&channels=3", f"gratings?count={settings['images']}",
        transformations="stripes", twin=False,
    )  # fmt: skip
    table = pd.DataFrame(result.overview().reset_index(names="transformation"))
    return Findings({"stripes": table}, notes=["Weights are random."])
