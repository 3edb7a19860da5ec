"""Holds what all blocks of a run share, and what is known of the images of one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariscope.metrics import DerivativeMetric, MapMetric, Metric
from invariscope.models import Layer, Probe
from invariscope.runs.loading import Block
from invariscope.sweep.lie import LIE_PASSES, LieCell, lie_cells
from invariscope.sweep.plan import Cell, Plan


@dataclass(frozen=True)
class Setup:
    """Everything that all blocks of a run share: models, plan, metrics, layers."""

    probe: Probe
    twin: Probe | None
    plan: Plan
    metrics: tuple[Metric, ...]
    layers: tuple[Layer, ...]
    seed: int
    skip_inexact: bool = False

    @property
    def map_metrics(self) -> tuple[MapMetric, ...]:
        """The metrics of feature maps."""
        return tuple(metric for metric in self.metrics if isinstance(metric, MapMetric))

    @property
    def derivative_metrics(self) -> tuple[DerivativeMetric, ...]:
        """The metrics of Lie derivatives."""
        return tuple(metric for metric in self.metrics if isinstance(metric, DerivativeMetric))

    @property
    def derivatives(self) -> tuple[LieCell, ...]:
        """The Lie derivatives to measure; none without their metrics."""
        return lie_cells(self.plan.transformations) if self.derivative_metrics else ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells to measure; none where all metrics are of derivatives."""
        alone = len(self.derivative_metrics) == len(self.metrics)
        return () if alone else self.plan.cells

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights of the model and its twin."""
        modules = [probe.module for probe in (self.probe, self.twin) if probe is not None]
        tensors = [
            tensor
            for module in modules
            if module is not None
            for tensor in (*module.parameters(), *module.buffers())
        ]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @property
    def answers(self) -> bool:
        """Whether the model gives each image one class, so that its answers are recorded."""
        return self.probe.task == "classification" and "logits" in {la.name for la in self.layers}

    @property
    def num_cells(self) -> int:
        """Cells and derivatives."""
        return len(self.cells) + len(self.derivatives)

    @property
    def passes(self) -> int:
        """Forward passes per image, the twin's included; a derivative counts as `LIE_PASSES`."""
        networks = 1 if self.twin is None else 2
        derivatives = LIE_PASSES * networks * len(self.derivatives)
        return (self.plan.passes if self.cells else 0) + derivatives


@dataclass(frozen=True)
class Sample:
    """The images of a block with their labels and the outputs that would be right.

    Args:
        block: The images.
        labels: Their class indices in the data, or None.
        targets: The outputs of the model that stand for these classes, [image] or, where several
            do, [image, most] filled up with -1; None if unknown.
    """

    block: Block
    labels: Sequence[int] | None
    targets: np.ndarray | None
