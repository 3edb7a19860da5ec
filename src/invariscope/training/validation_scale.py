"""Tests on images that are enlarged at random: paper 000, App. F.

Each test image first becomes its FixedSizeCenterCrop, then a random box about its centre, without a
change of shape, whose area is a share U(1/m², 1) of the crop's, resized to the crop's side: the
image is enlarged by up to m. m goes over `ZOOMS`, 1 to 6 in fifteen steps; at m = 1 the image stays
as it is. What an image draws is a hash of (test seed, image), the same for every network, and
scaled to each m, so that curves are smooth and compared pairwise.

Accuracies are averaged over test seeds, then mean and standard error are taken over the training
seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from invariscope.devices import as_float
from invariscope.errors import InputError
from invariscope.metrics.accuracy import first_answers
from invariscope.seeding import draws
from invariscope.training.augmentations import AreaLaw, RandomSizeCrop
from invariscope.training.evaluation import TestImages
from invariscope.training.run import TrainedRun
from invariscope.training.seeds import mean_over_seeds
from invariscope.training.splits import open_splits

#: Largest enlargement at each point of the curve.
ZOOMS = tuple(float(zoom) for zoom in np.linspace(1, 6, 15))
TEST_SEEDS = (0, 1, 2)


def enlargement(size: int, zoom: float) -> RandomSizeCrop:
    """Enlarges by up to `zoom` about the centre.

    Raises:
        InputError: The zoom is below 1.

    Example:
        >>> enlargement(28, 2.0).area
        AreaLaw(low=0.25, high=1.0, alpha=1.0)
    """
    if not zoom >= 1:
        raise InputError(f"an enlargement of {zoom:g} came; 1 or more works")
    return RandomSizeCrop(size, area=AreaLaw(low=1 / zoom**2), ratio=(1.0, 1.0), centred=True)


def scale_accuracy(
    run: TrainedRun,
    zooms: Sequence[float] = ZOOMS,
    test_seeds: Sequence[int] = TEST_SEEDS,
    *,
    num_images: int | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Tests one training at each enlargement.

    Args:
        run: A finished training; its recipe says which images it is tested on.
        zooms: Largest enlargements.
        test_seeds: Of what the images draw.
        num_images: How many test images, by class in proportion; None takes those of the recipe.
        device: Where to compute.

    Returns:
        One row for each zoom and test seed: ``scale``, ``test_seed``, ``accuracy`` (0 to 1),
        ``n_images``.
    """
    recipe = run.recipe if num_images is None else run.recipe.with_(num_test=num_images)
    _, split, _ = open_splits(recipe)
    images = TestImages(split, run.preprocessing)
    size = run.preprocessing.size
    if size is None:
        raise InputError("the network has no input size to crop to")
    module, labels = run.module.to(device).eval(), torch.from_numpy(split.labels)
    rows = []
    crops = [enlargement(size[0], zoom) for zoom in zooms]
    right = np.zeros((len(crops), len(test_seeds)), dtype=np.int64)
    seen = 0
    with torch.inference_mode():
        for places, pixels in images.batches():
            seen += len(places)
            for column, seed in enumerate(test_seeds):
                numbers = draws(seed, "validation scale", places, crops[0].num_draws)
                drawn = torch.from_numpy(numbers).to(device)
                for row, crop in enumerate(crops):
                    batch = crop.augment(as_float(pixels.to(device)), drawn)
                    answers = first_answers(module(run.preprocessing.normalise(batch))).cpu()
                    right[row, column] += int((answers == labels[places]).sum())
    for row, zoom in enumerate(zooms):
        for column, seed in enumerate(test_seeds):
            rows.append((float(zoom), seed, right[row, column] / seen, seen))
    return pd.DataFrame(rows, columns=["scale", "test_seed", "accuracy", "n_images"])


def over_training_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Averages over test seeds, then takes mean and standard error over training seeds.

    Args:
        table: ``method``, ``seed``, ``scale``, ``test_seed``, ``accuracy``.

    Example:
        >>> rows = [("none", seed, 1.0, 0, 0.5 + 0.1 * seed) for seed in (0, 1)]
        >>> names = ["method", "seed", "scale", "test_seed", "accuracy"]
        >>> over_training_seeds(pd.DataFrame(rows, columns=names)).round(3).values.tolist()
        [['none', 1.0, 0.55, 0.05, 2]]
    """
    means = table.groupby(["method", "scale", "seed"], sort=False)["accuracy"].mean()
    rows = []
    for key, values in means.groupby(["method", "scale"], sort=False):
        method, scale = key
        mean = mean_over_seeds(values.to_numpy(dtype=float))
        rows.append((method, scale, mean.value, mean.sem, mean.n))
    return pd.DataFrame(rows, columns=["method", "scale", "accuracy", "sem", "n"])
