"""Metrics: pure functions on tensors, their streaming forms, and the metrics of a sweep."""

from invariscope.metrics.accuracy import accuracy
from invariscope.metrics.channel_correlation import ChannelCorrelation, PooledChannels
from invariscope.metrics.channel_eed import channel_eed
from invariscope.metrics.channel_equivariance import (
    ChannelMatch,
    channel_equivariance,
    channel_match,
)
from invariscope.metrics.channel_invariance import channel_invariance
from invariscope.metrics.channel_products import ChannelMaps, MapStep
from invariscope.metrics.class_distance_ratio import class_distance_ratio
from invariscope.metrics.dead_channels import DEAD_CHANNELS
from invariscope.metrics.eed import eed
from invariscope.metrics.kinds import (
    METRICS,
    DerivativeMetric,
    MapMetric,
    Metric,
    OrbitMetric,
    VectorMetric,
    register,
)
from invariscope.metrics.latent_eed import latent_eed, latent_normalizer
from invariscope.metrics.lie_derivative import lie_derivative, relative_lie_derivative
from invariscope.metrics.linear_cka import linear_cka
from invariscope.metrics.mean_relative_invariance import (
    CosineMeanRelativeInvariance,
    mean_relative_invariance,
)
from invariscope.metrics.normalized_variance import normalized_variance
from invariscope.metrics.prediction_consistency import prediction_consistency
from invariscope.metrics.relative_invariance import relative_invariance
from invariscope.metrics.response_alignment import response_alignment
from invariscope.metrics.selection import (
    DEFAULT_METRICS,
    REGRESSION_METRICS,
    for_task,
    with_companions,
)
from invariscope.metrics.similarity_change import similarity_change
from invariscope.metrics.softmax_eed import softmax_eed, softmax_eed_from_logits
from invariscope.metrics.spread import Spread
from invariscope.metrics.streaming import ImageMean

__all__ = [
    "DEAD_CHANNELS",
    "DEFAULT_METRICS",
    "METRICS",
    "REGRESSION_METRICS",
    "ChannelCorrelation",
    "ChannelMaps",
    "ChannelMatch",
    "CosineMeanRelativeInvariance",
    "DerivativeMetric",
    "ImageMean",
    "MapMetric",
    "MapStep",
    "Metric",
    "OrbitMetric",
    "PooledChannels",
    "Spread",
    "VectorMetric",
    "accuracy",
    "channel_eed",
    "channel_equivariance",
    "channel_invariance",
    "channel_match",
    "class_distance_ratio",
    "eed",
    "for_task",
    "latent_eed",
    "latent_normalizer",
    "lie_derivative",
    "linear_cka",
    "mean_relative_invariance",
    "normalized_variance",
    "prediction_consistency",
    "register",
    "relative_invariance",
    "relative_lie_derivative",
    "response_alignment",
    "similarity_change",
    "softmax_eed",
    "softmax_eed_from_logits",
    "with_companions",
]
