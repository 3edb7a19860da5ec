"""Out of distribution (003 §4.2, figure 3): does learned invariance hold for other images?

The trained CNN and C8-CNN of §4.1 and an untrained CNN on images that no training has seen.
Expected: on every data set the untrained CNN's latent vectors are the least invariant, and yet its
softmax is the most: it is insensitive. The normalisation M is that of the data set itself.

The paper's data sets stand in an appendix that we do not have. Here: the nine and six corruptions
of the test digits, clothes, photographs, and objects cut out of photographs, drawn, and of a font;
further ones by ``--set data_sets=…``. What comes from one source of images has one vote: the
corruptions of the same digits are not six data sets. A sign test needs six sources.

    invariscope study run out-of-distribution --preset laptop
    invariscope study run out-of-distribution --preset paper --set of=PATH/OF/MNIST
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.results import Result
from invariscope.studies.claims import ClaimResult, above, decide
from invariscope.studies.claims.evidence import over_seeds, share
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper003.rotated_digits import (
    CNN,
    GROUP,
    LATENT,
    SOFTMAX,
    STEERABLE,
    Digits,
    laptop,
    smoke,
    trained,
    where,
)

UNTRAINED = "untrained CNN"
MODELS = (UNTRAINED, CNN, STEERABLE)
SEEN = "rotated digits"
_TEST = "rotated-mnist?of={of}%26split=test"
DATA_SETS = (
    "rotated-mnist?of={of}&split=test&digits=9",
    *(
        f"corrupted:{kind}?of={_TEST}"
        for kind in ("noise", "impulse", "blur", "contrast", "invert", "blocks")
    ),
    "fashion-mnist",
    "samples",
    "stamps",
    "transforms2d:shapes?transformations=rotation&num=200&size=32&backgrounds=black",
    "transforms2d:emoji?transformations=rotation&num=200&size=32&backgrounds=black",
)
_DIGITS = "digits"
_PLACES = {LATENT: "embedding", SOFTMAX: "logits"}


@dataclass(frozen=True)
class Settings(Digits):
    """Says what the study is run with: the trainings' settings and where to measure.

    Args:
        data_sets: Specs; ``{of}`` stands for where the digits come from.
    """

    data_sets: tuple[str, ...] = DATA_SETS


def _with_data(digits: Digits, data_sets: tuple[str, ...] = DATA_SETS) -> Settings:
    return Settings(**vars(digits), data_sets=data_sets)


@study(
    "out-of-distribution",
    paper="003 §4.2",
    question="Does invariance that was learned hold for images of another distribution?",
    expected="The untrained CNN has the least invariant latent vectors and the most invariant "
    "softmax.",
    cost={
        "smoke": "15 s",
        "laptop": "2 min, after the trainings of learned-vs-built-in (11 min)",
        "paper": "20 trainings of 2000 steps: 2 h on a GPU",
    },
    presets={
        "smoke": _with_data(smoke(), DATA_SETS[:3]),
        "laptop": _with_data(laptop()),
        "paper": Settings(),
    },
)
def out_of_distribution(lab: Lab, settings: Settings) -> Findings:
    """Measures the three families on data sets that they have not seen."""
    of = where(settings)
    digits = Digits(**{name: getattr(settings, name) for name in vars(Digits())})
    runs = trained(lab, digits)
    sources, notes = _there([spec.format(of=of) for spec in settings.data_sets])
    keys = [
        (data, spec, model, seed)
        for data, spec in {SEEN: f"rotated-mnist?of={of}&split=test", **sources}.items()
        for seed in settings.seeds
        for model in MODELS
    ]
    # One seed for all three: the same images; another for each: other untrained weights.
    results = lab.measure(
        [
            lab.spec(runs[CNN, seed], untrained=True)
            if model == UNTRAINED
            else lab.spec(runs[model, seed])
            for _, _, model, seed in keys
        ],
        [spec for _, spec, _, _ in keys],
        seeds=[seed for *_, seed in keys],
        groups=[GROUP],
        metrics=[LATENT, SOFTMAX],
        layers="last",
        num_images=settings.num_images,
    )
    tables = [
        _values(result).assign(data=data, model=model, seed=seed)
        for (data, _, model, seed), result in zip(keys, results, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)[["data", "model", "seed", "metric", "value"]]
    ran_on = (
        f"small:cnn6?width={settings.cnn_width:g} and "
        f"small:c8_steerable?width={settings.steerable_width:g}, {len(sources)} data sets"
    )
    return Findings(
        tables={"deviations": table},
        figures=[_figure(table, metric) for metric in (LATENT, SOFTMAX)],
        claims=[ordering_claim(table, ran_on)],
        notes=[*notes, "The paper's own data sets stand in an appendix that we do not have."],
    )


def ordering_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """003.c5: for how many sources the untrained CNN is last, and first; a sign test each."""
    table = table[table["data"] != SEEN]
    table = table.assign(source=[source_of(str(name)) for name in table["data"]])
    by_data = table.groupby(["metric", "source", "data", "model"])["value"].mean()
    means = by_data.groupby(["metric", "source", "model"]).mean().unstack("model")
    parts = []
    for metric, name, least in (
        (LATENT, "latent: the untrained CNN deviates most", True),
        (SOFTMAX, "softmax: the untrained CNN deviates least", False),
    ):
        rows = means.loc[metric]
        others = rows[[CNN, STEERABLE]].to_numpy(dtype=np.float64)
        own = rows[UNTRAINED].to_numpy(dtype=np.float64)
        won = own > others.max(axis=1) if least else own < others.min(axis=1)
        evidence = share(int(won.sum()), len(won), unit="sources")
        parts.append(above(evidence, 0.5, name=f"share of sources, {name}"))
    note = (
        "Means over seeds and over the data sets of a source are ordered; six sources are the "
        "fewest that can decide."
    )
    return decide("003.c5", parts, ran_on=ran_on, note=note)


def source_of(data: str) -> str:
    """Returns the source of images of a data set, by its name in the tables.

    Example:
        >>> source_of("digits, blur"), source_of("rotated nines"), source_of("fashion-mnist")
        ('digits', 'digits', 'fashion-mnist')
    """
    source = data.partition(", ")[0]
    return _DIGITS if "rotated" in source or "mnist5k" in source else source


def _there(specs: list[str]) -> tuple[dict[str, str], list[str]]:
    """The data sets that can be opened, by a short name."""
    sources, notes = {}, []
    for spec in specs:
        try:
            open_source(spec)
            sources[_short(spec)] = spec
        except InputError as problem:
            notes.append(f"left out: {problem}")
    return sources, notes


def _short(spec: str) -> str:
    """A data set's name in the tables: its source of images first."""
    if "digits=9" in spec:
        return "rotated nines"
    name, _, options = spec.partition("?")
    if not name.startswith("corrupted:"):
        return name
    corrupted = re.search(r"(?:^|&)of=([^?&]+)", options)
    source = corrupted[1] if corrupted else ""
    source = _DIGITS if source == "rotated-mnist" else source
    return f"{source}, {name.removeprefix('corrupted:')}"


def _values(result: Result) -> pd.DataFrame:
    averages = result.averages(metrics=[LATENT, SOFTMAX])
    wanted = averages["transformation"].notna() & averages["layer"].notna()
    places = averages["metric"].map(_PLACES)
    return averages.loc[wanted & (averages["layer"] == places), ["metric", "value"]]


def _figure(table: pd.DataFrame, metric: str) -> Figure:
    rows = []
    for data in table["data"].unique():
        for model in MODELS:
            chosen = (table["data"] == data) & (table["model"] == model)
            numbers = table[chosen & (table["metric"] == metric)]["value"].to_numpy(dtype=float)
            rows.append(Dot.of(f"{data}: {model}", over_seeds(numbers), numbers, model))
    word = "Latent" if metric == LATENT else "Softmax"
    caption = "Lower is more invariant; whiskers are 95 % intervals over seeds."
    return dots(f"{word} G-EED by data set", caption, rows, x_label=f"{word.lower()} C8-EED")
