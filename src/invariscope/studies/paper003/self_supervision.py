"""Self-supervision (003 §4.4, figure 5): are self-supervised networks more invariant?

Two supervised networks (ResNet-50, BiT ResNetV2-101) and two self-supervised ones (DINO, SimCLR;
both ResNet-50), each with 2048 latent numbers, under left-right reflection: latent G-EED with the
Euclidean and with the cosine distance, 100 images. Expected: SimCLR is by far the most invariant;
DINO is not.

The weights are files of their authors: give each as a spec. Without them the study measures what it
has, the pretrained networks inside packages and an untrained ResNet-50, and the claim is not run.

    invariscope study run self-supervision --preset laptop
    invariscope study run self-supervision --preset paper --set data=PATH/OF/IMAGENET/TEST
        --set simclr=checkpoint:SIMCLR.pt@torchvision:resnet50
        --set dino=checkpoint:DINO.pth@torchvision:resnet50
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.results import Result
from invariscope.studies.claims import ClaimResult, below, decide, interval, not_run
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed, study

GROUP = "flip"
EUCLIDEAN, COSINE = "latent_eed", "latent_eed:cosine"
SIMCLR, DINO, RESNET, BIT = "SimCLR", "DINO", "ResNet-50", "BiT ResNetV2-101"
_WORDS = {EUCLIDEAN: "Latent G-EED", COSINE: "Latent G-EED, cosine"}


@dataclass(frozen=True)
class Settings:
    """Says what the study is run with.

    Args:
        data: Images; the paper takes ImageNet's test images.
        resnet: Spec of the supervised ResNet-50.
        bit: Spec of BiT.
        dino: Spec of DINO's ResNet-50; a file.
        simclr: Spec of SimCLR's ResNet-50; a file.
        others: Further specs that are measured and shown beside them.
        num_images: How many images.
        size: Side of the input; None takes each model's own.
    """

    data: str | None = None
    resnet: str | None = "torchvision:resnet50@IMAGENET1K_V1"
    bit: str | None = "timm:resnetv2_101x1_bit"
    dino: str | None = None
    simclr: str | None = None
    others: tuple[str, ...] = ()
    num_images: int = 100
    size: int | None = None


@study(
    "self-supervision",
    paper="003 §4.4",
    question="Are self-supervised networks more reflection-invariant than supervised ones?",
    expected="SimCLR, whose loss asks for it, is the most invariant of the four; DINO is not.",
    cost={"smoke": "4 s", "laptop": "1 min", "paper": "4 models, 100 images: 5 min on a CPU"},
    presets={
        "smoke": Settings(
            data="samples", resnet=None, bit=None, num_images=12, size=64,
            others=("builtin:efficientnet-lite0", "timm:resnet10t+untrained"),
        ),
        "laptop": Settings(
            data="samples", resnet=None, bit=None,
            others=("builtin:efficientnet-lite0", "builtin:efficientnet-lite1",
                    "builtin:efficientnet-lite2", "torchvision:resnet50+untrained"),
        ),
        "paper": Settings(),
    },
)  # fmt: skip
def self_supervision(lab: Lab, settings: Settings) -> Findings:
    """Measures the models under reflection and compares SimCLR with each of the others."""
    data = needed(settings.data, "data", "ImageNet's images, a folder")
    given = {
        RESNET: settings.resnet, BIT: settings.bit, DINO: settings.dino, SIMCLR: settings.simclr,
    }  # fmt: skip
    specs = {name: spec for name, spec in given.items() if spec}
    specs |= {spec: spec for spec in settings.others}
    usable, notes = _there(specs)
    if not usable:
        why = "none of the weights can be had: give them by --set resnet=…, bit=…, dino=…, simclr=…"
        table = pd.DataFrame({"note": notes or ["nothing was asked for"]})
        return Findings({"left_out": table}, claims=[not_run("003.c8", why)], notes=notes)
    override: dict[str, Any] = {}
    if settings.size is not None:
        override["preprocessing"] = {"size": settings.size}
    results = lab.measure(
        list(usable.values()), data, groups=[GROUP], metrics=[EUCLIDEAN, COSINE], layers="last",
        num_images=settings.num_images, **override,
    )  # fmt: skip
    by_model = dict(zip(usable, results, strict=True))
    table = pd.concat([_values(r).assign(model=name) for name, r in by_model.items()])
    missing = [name for name in given if name not in by_model]
    ran_on = f"{', '.join(by_model)} on {settings.num_images} images of {data}"
    claim = supervision_claim(by_model, missing, ran_on)
    return Findings(
        tables={"deviations": table[["model", "metric", "value", "ci_low", "ci_high", "n"]]},
        figures=[_figure(table, metric) for metric in (EUCLIDEAN, COSINE)],
        claims=[claim],
        notes=notes,
    )


def supervision_claim(results: dict[str, Result], missing: list[str], ran_on: str) -> ClaimResult:
    """003.c8: SimCLR − each of the other three, on the same images, with both distances."""
    if missing:
        settings = {RESNET: "resnet", BIT: "bit", DINO: "dino", SIMCLR: "simclr"}
        wanted = ", ".join(f"{name} (--set {settings[name]}=SPEC)" for name in missing)
        return not_run("003.c8", f"weights are missing: {wanted}")
    parts = []
    for metric in (EUCLIDEAN, COSINE):
        for rival in (RESNET, BIT, DINO):
            frame = results[rival].compare(results[SIMCLR]).frame
            row = frame[
                (frame["metric"] == metric)
                & (frame["layer"] == "embedding")
                & (frame["level"] == frame["level"].max())
            ].iloc[0]
            evidence = interval(
                row["difference"], row["ci_low"], row["ci_high"], n=int(row["n"]), unit="images"
            )
            parts.append(below(evidence, 0.0, name=f"{metric}: {SIMCLR} − {rival}"))
    return decide("003.c8", parts, ran_on=ran_on)


def _there(specs: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """The models that can be loaded, and notes on the others."""
    usable, notes = {}, []
    for name, spec in specs.items():
        try:
            load_model(spec)
            usable[name] = spec
        except InputError as problem:
            notes.append(f"left out: {problem}")
    return usable, notes


def _values(result: Result) -> pd.DataFrame:
    averages = result.averages(metrics=[EUCLIDEAN, COSINE])
    wanted = averages["transformation"].notna() & (averages["layer"] == "embedding")
    return averages[wanted]


def _figure(table: pd.DataFrame, metric: str) -> Figure:
    rows = [
        Dot(row["model"], row["value"], row["ci_low"], row["ci_high"])
        for row in table[table["metric"] == metric].to_dict("records")
    ]
    caption = "Lower is more invariant to reflection. Whiskers are 95 % intervals over images."
    return dots(f"{_WORDS[metric]} by model", caption, rows, x_label=_WORDS[metric])
