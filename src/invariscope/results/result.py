"""Holds the result of a run: its summary, rows and manifest, with averages, plots and pages."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from invariscope.data.image_groups import ImageGroups
from invariscope.errors import InputError
from invariscope.pages import page_maker
from invariscope.results import flips as flips_of
from invariscope.results.averages import averages as averages_of
from invariscope.results.by_group import by_group as by_group_of
from invariscope.results.channels import (
    CHANNELS,
    read_channel_table,
    write_channels,
)
from invariscope.results.comparison import Comparison, compare
from invariscope.results.example import read_example, write_example
from invariscope.results.flip_pictures import (
    FLIP_PICTURES,
    FlipPicture,
    read_flip_pictures,
    write_flip_pictures,
)
from invariscope.results.membership import read_image_groups_of, write_image_groups
from invariscope.results.pairs import (
    CHANNEL_PAIRS,
    ChannelPairs,
    read_channel_pairs,
    write_channel_pairs,
)
from invariscope.results.rows import RowStore, write_block
from invariscope.results.summary import (
    SUMMARY,
    read_summary,
    summarise,
    undefined,
    write_summary,
)
from invariscope.runs.block_files import ROWS
from invariscope.runs.manifest import read_manifest, write_manifest
from invariscope.runs.saving import saving

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Result:
    """The result of a run.

    Args:
        manifest: Everything that is needed to repeat the run.
        store: The rows.
        summary: The summary, controls included; computed from the rows if not given.
        example: One image at the input resolution, uint8 [height, width, 3], or None.
        folder: The run folder, or None for a run in memory.
        channels: The table of channels, or None where none were measured.
        channel_pairs: Pictures of what some channels become, or None where there are none.
        flip_pictures: Pictures of images whose answers flip first.
        image_groups: What the images belong to by a file, or None.

    Attributes:
        manifest: As given.
        store: As given.
        folder: As given.
        summary: The summary: one row per control, metric, transformation, level, layer and class.
        frame: Its rows of the measurement, without the column control: ``value`` with ``ci_low``
            and ``ci_high`` (95 %), ``n`` images, ``n_undefined`` more that gave no value;
            ``class`` is null for all images together.
        controls: Its rows of the controls: "shuffled", "floor", "untrained".
        channels: One row per layer, cell, control and channel (`invariscope.results.channels`), or
            None where no channels were measured.
        channel_pairs: As given (`invariscope.results.pairs`).
        flip_pictures: As given (`invariscope.results.flip_pictures`).
        image_groups: As given (`invariscope.data.image_groups`).
        warnings: What a reader must know before the numbers: those of the run, and what is odd
            about this result, such as a run that is not finished.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        store: RowStore,
        summary: pd.DataFrame | None = None,
        *,
        example: np.ndarray | None = None,
        folder: Path | None = None,
        channels: pa.Table | None = None,
        channel_pairs: ChannelPairs | None = None,
        flip_pictures: Sequence[FlipPicture] = (),
        image_groups: ImageGroups | None = None,
    ):
        self.manifest = manifest
        self.store = store
        self.folder = folder
        self.example = example
        self.channels: pd.DataFrame | None = None if channels is None else channels.to_pandas()
        self.channel_pairs = channel_pairs
        self.flip_pictures = tuple(flip_pictures)
        self.image_groups = image_groups
        self.warnings: list[str] = list(manifest.get("warnings", ()))
        self.summary = summarise(store, manifest) if summary is None else summary
        self.warnings += undefined(self.summary)
        measured = self.summary["control"] == ""
        self.frame = self.summary[measured].drop(columns="control").reset_index(drop=True)
        self.controls = self.summary[~measured].reset_index(drop=True)

    @property
    def rows(self) -> pd.DataFrame:
        """One row per image, cell, layer, metric and control; read anew on each access."""
        tables = list(self.store.iter_tables())
        if not tables:
            return pd.DataFrame()
        return pa.concat_tables(tables).unify_dictionaries().to_pandas()

    def compare(self, other: "Result") -> Comparison:
        """Compares this run (A) with another one (B) on the images that both have seen."""
        return compare([self, other])

    def averages(
        self,
        metrics: str | Sequence[str] | None = None,
        transformations: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Averages over levels and layers, with 95 % intervals over images.

        Level 0 and other identities do not count, equal cells count once; cells, the layers of a
        part and transformations have the same say each (`results/averages.py` has the formula).

        Args:
            metrics: Names of metrics of the run; all by default.
            transformations: Names of its transformations and groups; all by default.

        Returns:
            One row per metric, transformation (null: the mean over all of them), part and layer
            (null: the mean over the part's layers), with ``depth`` (0 to 100 per cent of the
            layers), ``value``, ``ci_low``, ``ci_high``, ``n``, and ``model``, ``data``.

        Raises:
            InputError: The run has no such metric or transformation.

        Example:
            >>> import numpy as np, torch, invariscope
            >>> pictures = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
            >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4))
            >>> result = invariscope.measure(network, pictures, transformations="rotate=90/180")
            >>> frame = result.averages("relative_invariance", "rotate")
            >>> frame[frame["layer"].isna()]["part"].tolist()
            ['Pool', 'Final', 'Pool', 'Final']
        """
        return averages_of(self, metrics, transformations)

    def plot(
        self,
        transformation: str | Sequence[str] | None = None,
        metric: str = "relative_invariance",
        layer: str = "embedding",
    ) -> "Figure":
        """Draws curves over levels with intervals and controls, as a matplotlib figure."""
        return page_maker("plot")(self, transformation, metric=metric, layer=layer)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Writes the report, HTML that needs no network, and beside it a page for each layer.

        There are pages of layers where channels or orbits were measured, in the folder ``layers``
        next to ``report.html``; next to a report of another name, in ``NAME-layers``.
        """
        return page_maker("render")(self, Path(path))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a run folder: manifest, rows, summary, example.

        Raises:
            InputError: The folder holds something already.
            RunError: It cannot be written; nothing of it is left there.
        """
        folder, run = Path(folder), self.manifest["identity"]
        with saving(folder):
            for number, table in zip(self.store.blocks, self.store.iter_tables(), strict=True):
                write_block(folder / ROWS, number, table, run)
            if self.example is not None:
                write_example(folder, self.example)
            if self.channels is not None:
                write_channels(folder, self.channels, run)
            if self.channel_pairs is not None:
                write_channel_pairs(folder, self.channel_pairs, run)
            if self.image_groups is not None:
                write_image_groups(folder, self.image_groups, run)
            if self.flip_pictures:
                write_flip_pictures(folder, self.flip_pictures, run)
            write_summary(folder, self.summary, run)
            write_manifest(folder, self.manifest)  # last: without it the folder is no run
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Result":
        """Reads a run folder; of an unfinished run, the blocks that are there.

        Raises:
            InputError: No such folder, no run in it, damaged files or files of another run, or a
                newer format.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        run = manifest["identity"]
        store = RowStore(folder / ROWS, run=run)
        if not store.images:
            raise InputError(
                f"{folder} has no rows yet: go on with its run, with the same command as before"
            )
        finished = manifest["execution"]["status"] == "finished"
        summary = read_summary(folder, run) if finished and (folder / SUMMARY).exists() else None
        channels = read_channel_table(folder, run) if (folder / CHANNELS).exists() else None
        result = cls(
            manifest,
            store,
            summary,
            example=read_example(folder),
            folder=folder,
            channels=channels,
            image_groups=read_image_groups_of(folder, manifest),
        )
        try:
            if (folder / CHANNEL_PAIRS).exists():
                result.channel_pairs = read_channel_pairs(folder, run)
            if (folder / FLIP_PICTURES).exists():
                result.flip_pictures = read_flip_pictures(folder, run)
        except InputError as problem:  # pictures only: no number depends on them
            result.warnings.append(str(problem))
        if not finished:
            result.warnings.append(
                f"the run is not finished: {len(store.images)} of {manifest['images']['selected']} "
                "images are there"
            )
        return result

    def __repr__(self) -> str:
        settings = self.manifest["settings"]
        return (
            f"<Result: {settings['model']} on {len(self.store.images)} images of "
            f"{settings['data']}, {len(settings['cells'])} levels>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])}</p>{self.overview().round(3).to_html()}"

    def flips(self) -> pd.DataFrame:
        """Tabulates where the answer to each image flips first, under each transformation.

        The answer is the predicted class, and flips where it is another one than for the image as
        it is, at the level nearest to the identity at which that happens.

        Returns:
            One row per image and transformation that flipped: ``image``, ``label`` (null without),
            ``transformation``, ``level``, ``magnitude``, ``unit``, ``before`` and ``after`` (names
            of classes, or numbers of outputs), ``score_before`` and ``score_after`` (their softmax
            probabilities). Under each transformation those that flip first come first; of several,
            the one that was surest before.

        Raises:
            InputError: The run has no answers: the model is no classifier.

        Example:
            >>> import torch, invariscope
            >>> def dark_or_bright(x):
            ...     return torch.stack([1 - x.mean((1, 2, 3)), x.mean((1, 2, 3))], 1)
            >>> pictures = torch.full((2, 3, 8, 8), 0.6)
            >>> result = invariscope.measure(
            ...     dark_or_bright, pictures, transformations="brightness_down=0.9/0.5",
            ...     task="classification")
            >>> result.flips()[["image", "magnitude", "before", "after"]].values.tolist()
            [['0', 0.5, '1', '0'], ['1', 0.5, '1', '0']]
        """
        return flips_of.flips(self)

    def affected_classes(self, transformation: str | None = None) -> pd.DataFrame:
        """Tabulates the share of flipped answers of each class, the most affected first.

        Args:
            transformation: One of the run's; None: the mean over all of them.

        Returns:
            One row per class: ``class``, ``by`` ("label", or "predicted class" of the image as it
            is where there are no labels), ``flipped`` (mean over levels above 0, then over
            transformations), ``ci_low``, ``ci_high`` (95 %) and ``n`` images.

        Raises:
            InputError: The run has no answers or no such transformation.
        """
        return flips_of.affected_classes(self, transformation)

    def confidence_lost(self) -> pd.DataFrame:
        """Tabulates how much of the softmax probability of the first answer is lost, by level.

        Returns:
            One row per transformation and level above 0: ``transformation``, ``level``,
            ``magnitude``, ``unit``, ``value`` (−1 to 1: the mean over images of the probability of
            the class predicted for the image as it is, before minus after), ``ci_low``,
            ``ci_high`` (95 %) and ``n``.

        Raises:
            InputError: The run has no answers.
        """
        return flips_of.confidence_lost(self)

    def by_group(
        self,
        metrics: str | Sequence[str] | None = None,
        transformations: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Compares groups of images that came from a file, each with all other images.

        Args:
            metrics: Names of metrics of the run; all by default.
            transformations: Names of its transformations and groups; all by default.

        Returns:
            One row per metric, transformation (null: the mean over all of them), layer (embedding
            or logits) and group: ``n`` images, ``value`` with ``ci_low``, ``ci_high`` (95 %, mean
            over levels above 0), ``n_others``, ``others`` (the same over the images that are known
            not to belong to it), ``difference`` with ``difference_low``, ``difference_high``,
            ``p``, and ``q`` (false discovery rate over the table); no interval and p of the
            difference where a side has fewer than five images.

        Raises:
            InputError: The run has no groups, or no such metric or transformation.

        Example:
            >>> import pandas, torch, invariscope
            >>> pictures = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
            >>> table = pandas.DataFrame({"image": range(12), "night": [1, 0] * 6})
            >>> result = invariscope.measure(
            ...     lambda x: x.flatten(1), pictures, transformations="rotate=90",
            ...     image_groups=table)
            >>> row = result.by_group("relative_invariance").iloc[0]
            >>> row["group"], int(row["n"]), int(row["n_others"])
            ('night', 6, 6)
        """
        return by_group_of(self, metrics, transformations)

    def flipped_share(self) -> pd.DataFrame:
        """Tests which classes and groups are over- or under-represented among images that flip.

        Under each transformation at the level at which the share of flipped images is nearest to
        one half, by Fisher's exact test (`invariscope.results.flips`).

        Returns:
            One row per transformation and class, and per group of images from a file (``by`` is
            then "group"), the smallest q first: ``transformation``, ``level``, ``magnitude``,
            ``unit``, ``by``, ``class``, ``n`` images of it, ``flipped`` of them, ``share`` with
            ``ci_low``, ``ci_high`` (95 %), ``others`` (the share among all other images),
            ``of_flipped`` (which part of all flipped images belongs to it) with
            ``of_flipped_low``, ``of_flipped_high``, beside ``of_all`` (which part of all images
            does), ``p``, and ``q`` (false discovery rate over the table).

        Raises:
            InputError: The run has no answers.
        """
        return flips_of.flipped_share(self)

    def corruption_errors(self) -> pd.DataFrame:
        """Tabulates errors under ImageNet-C's corruptions relative to AlexNet's, and mCE.

        See `invariscope.results.corruption_errors`.

        Raises:
            InputError: The run has no accuracy under any of the corruptions.
        """
        from invariscope.results.corruption_errors import corruption_errors

        return corruption_errors(self)

    def overview(self) -> pd.DataFrame:
        """Tabulates the first metric by transformation: mean, lowest and highest over its levels.

        Level 0 does not count, but for derivatives, which are taken there; levels of one magnitude
        count once. A metric that has a unit for each transformation is passed over for one without.
        Sorted from the least to the most invariant.
        """
        metrics, known = self.manifest["settings"]["metrics"], self.manifest["metrics"]
        one_unit = [name for name in metrics if known[name]["unit"] != "derivative"]
        metric = (one_unit or metrics)[0]
        frame = self.frame[(self.frame["metric"] == metric) & self.frame["class"].isna()]
        layers = list(dict.fromkeys(frame["layer"]))  # of maps, the deepest that has values
        layer = next((name for name in ("embedding", "logits") if name in layers), layers[-1])
        frame = frame[frame["layer"] == layer]
        moved = frame[frame["level"] > 0].drop_duplicates(["transformation", "magnitude"])
        values = (frame if moved.empty else moved).groupby("transformation", sort=False)["value"]
        table = values.agg(["mean", "min", "max"]).sort_values(
            "mean", kind="stable", ascending=not known[metric]["direction"].startswith("lower")
        )
        return table.rename_axis(index=None).rename_axis(columns=f"{metric} at the {layer}")
