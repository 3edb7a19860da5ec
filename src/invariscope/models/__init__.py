"""Models: loading, preprocessing, and probing their layers."""

from invariscope.models.activations import Activation, FeatureMap, Vector, average_pool
from invariscope.models.builtin import BUILTIN
from invariscope.models.derivative import DerivativeReducer, differentiate
from invariscope.models.fields import Fields
from invariscope.models.layers import EMBEDDING, LOGITS, Layer
from invariscope.models.parts import PARTS
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.probe import Outputs, Probe
from invariscope.models.spec import load_model

__all__ = [
    "BUILTIN",
    "EMBEDDING",
    "LOGITS",
    "PARTS",
    "Activation",
    "DerivativeReducer",
    "FeatureMap",
    "Fields",
    "Layer",
    "Outputs",
    "Preprocessing",
    "Probe",
    "Vector",
    "average_pool",
    "differentiate",
    "load_model",
]
