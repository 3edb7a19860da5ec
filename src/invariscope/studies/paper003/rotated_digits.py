"""The networks of 003 §4.1 and §4.2: a CNN and a C8-steerable one, trained on rotated digits.

Both studies ask for the same trainings, so they are done once. While a network is trained, the
G-EEDs of C8 are measured: channelwise after each of the six blocks (channels matched by the fields
of the steerable network), latent with the Euclidean and the cosine distance, and softmax. All are
deviations: lower is more equivariant, or more invariant.
"""

from dataclasses import dataclass

import pandas as pd

from invariscope.data import open_source
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed
from invariscope.training import Recipe, TrainedRun

GROUP = "C8"
BLOCKS = tuple(f"blocks.{number}" for number in range(6))
CHANNELWISE = "channel_eed"
LATENT, LATENT_COSINE, SOFTMAX = "latent_eed", "latent_eed:cosine", "softmax_eed"
METRICS = (CHANNELWISE, LATENT, LATENT_COSINE, SOFTMAX)
PLACES = {LATENT: "embedding", LATENT_COSINE: "embedding", SOFTMAX: "logits"}
CNN, STEERABLE = "CNN", "C8-CNN"
FAMILIES = (CNN, STEERABLE)
_HOOK = "invariscope.training.during:measuring"


@dataclass(frozen=True)
class Digits:
    """The training of the networks.

    Args:
        of: Where the digits come from: mnist5k, digits, or torchvision's root of MNIST.
        cnn_width: Factor on the CNN's channels.
        steerable_width: Factor on its fields; 1/8 gives the channels of the full CNN.
        iterations: Steps of each training.
        every: Steps between two measurements.
        batch_size: Images per step.
        learning_rate: Of Adam. The paper's own optimiser is not in the text that we have.
        num_train: Images to train on; None takes all.
        num_test: Images that the accuracy is taken on; None takes all.
        seeds: Of the trainings.
        num_images: Test images that are measured.
    """

    of: str | None = None
    cnn_width: float = 1.0
    steerable_width: float = 1.0
    iterations: int = 2000
    every: int = 200
    batch_size: int = 64
    learning_rate: float = 1e-3
    num_train: int | None = None
    num_test: int | None = None
    seeds: tuple[int, ...] = tuple(range(10))
    num_images: int = 50


def smoke() -> Digits:
    """Seconds: tiny networks, the digits of scikit-learn."""
    return Digits(
        of="digits", cnn_width=0.1, steerable_width=0.04, iterations=8, every=4, batch_size=32,
        num_train=128, num_test=60, seeds=(0, 1), num_images=8,
    )  # fmt: skip


def laptop() -> Digits:
    """Minutes on two cores: as many channels as the paper's CNN in the steerable network."""
    return Digits(
        of="mnist5k", cnn_width=0.5, steerable_width=0.125, iterations=600, every=100,
        seeds=(0, 1, 2, 3),
    )  # fmt: skip


def where(digits: Digits) -> str:
    """The source of the digits.

    Raises:
        InputError: The preset needs a folder.
    """
    return needed(digits.of, "of", "torchvision's root of MNIST (the folder with MNIST/raw)")


def trained(lab: Lab, digits: Digits) -> dict[tuple[str, int], TrainedRun]:
    """The trained networks by family and seed."""
    data = f"rotated-mnist?of={where(digits)}"
    count = len(open_source(f"{data}&split=train"))
    count = min(count, digits.num_train or count)
    models = {
        CNN: f"small:cnn6?width={digits.cnn_width:g}",
        STEERABLE: f"small:c8_steerable?width={digits.steerable_width:g}",
    }
    keys = [(family, seed) for family in FAMILIES for seed in digits.seeds]
    recipes = [
        Recipe(
            data=data,
            model=models[family],
            augment="rotation",
            num_train=digits.num_train,
            num_test=digits.num_test,
            epochs=digits.iterations / max(1, count // digits.batch_size),
            batch_size=digits.batch_size,
            optimizer="adam",
            learning_rate=digits.learning_rate,
            weight_decay=1e-5,
            seed=seed,
        )
        for family, seed in keys
    ]
    settings = {
        "images": f"{data}&split=test",
        "groups": GROUP,
        "metrics": list(METRICS),
        "layers": list(BLOCKS),
        "num_images": digits.num_images,
        "workers": 0,
    }
    runs = lab.train(recipes, hook=_HOOK, every=digits.every, hook_settings=settings)
    return dict(zip(keys, runs, strict=True))


def course(runs: dict[tuple[str, int], TrainedRun]) -> pd.DataFrame:
    """Returns what was measured during training.

    Returns:
        One row per number: ``family``, ``seed``, ``iteration``, ``metric``, ``place`` (a block,
        embedding or logits), ``value``.
    """
    tables = []
    for (family, seed), run in runs.items():
        history = run.history
        names = history["name"].str.extract(rf"^(\S+) {GROUP} (\S+)$")
        table = history.assign(metric=names[0], place=names[1]).dropna(subset=["metric"])
        tables.append(table.assign(family=family, seed=seed))
    table = pd.concat(tables, ignore_index=True)
    wanted = (table["metric"] == CHANNELWISE) & table["place"].isin(BLOCKS)
    for metric, place in PLACES.items():
        wanted |= (table["metric"] == metric) & (table["place"] == place)
    columns = ["family", "seed", "iteration", "metric", "place", "value"]
    return table.loc[wanted, columns].reset_index(drop=True)
