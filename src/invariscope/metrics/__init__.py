"""Metrics: pure functions on tensors, their streaming forms, and the metrics of a sweep."""

from invariscope.metrics.accuracy import accuracy
from invariscope.metrics.mean_relative_invariance import (
    CosineMeanRelativeInvariance,
    mean_relative_invariance,
)
from invariscope.metrics.prediction_consistency import prediction_consistency
from invariscope.metrics.relative_invariance import relative_invariance
from invariscope.metrics.streaming import ImageMean
from invariscope.metrics.sweep import DEFAULT_METRICS, METRICS, SweepMetric, metric

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "CosineMeanRelativeInvariance",
    "ImageMean",
    "SweepMetric",
    "accuracy",
    "mean_relative_invariance",
    "metric",
    "prediction_consistency",
    "relative_invariance",
]
