"""Loads models, prepares their images, and probes their layers."""

from invariscope.models.activations import Activation, FeatureMap, Vector, average_pool
from invariscope.models.architecture import build_architecture
from invariscope.models.builtin import BUILTIN
from invariscope.models.derivative import DerivativeReducer, differentiate
from invariscope.models.fields import Fields
from invariscope.models.layers import EMBEDDING, LOGITS, Layer
from invariscope.models.normalisation import PreprocessingLike
from invariscope.models.parts import PARTS
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.probe import Outputs, Probe
from invariscope.models.small import SMALL
from invariscope.models.spec import for_bands, load_model
from invariscope.models.trained import TrainedModel, load_trained, read_trained, save_trained

__all__ = [
    "BUILTIN",
    "EMBEDDING",
    "LOGITS",
    "PARTS",
    "SMALL",
    "Activation",
    "DerivativeReducer",
    "FeatureMap",
    "Fields",
    "Layer",
    "Outputs",
    "Preprocessing",
    "PreprocessingLike",
    "Probe",
    "TrainedModel",
    "Vector",
    "average_pool",
    "build_architecture",
    "differentiate",
    "for_bands",
    "load_model",
    "load_trained",
    "read_trained",
    "save_trained",
]
