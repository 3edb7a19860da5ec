"""Image classifiers and encoders of transformers, small, from configurations."""

from typing import Any

import torch
import transformers
from torch import nn

# name -> module of transformers, side of the pictures, what the configuration is given
Configuration = tuple[str, int, dict[str, Any]]
_TOKENS: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 8,
}
_DINO: dict[str, Any] = {key: _TOKENS[key] for key in _TOKENS if key != "intermediate_size"}
_SWIN: dict[str, Any] = {
    "image_size": 96,
    "patch_size": 4,
    "embed_dim": 16,
    "depths": [2, 2, 2],
    "num_heads": [2, 2, 4],
    "window_size": 6,
}
_STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
_MIX: dict[str, Any] = {**_STAGES, "num_attention_heads": [1, 2, 2, 4]}
_HIERA: dict[str, Any] = {
    "image_size": [64, 64],
    "embed_dim": 16,
    "depths": [1, 1, 2, 1],
    "num_heads": [1, 2, 2, 4],
}
_CVT: dict[str, Any] = {"embed_dim": [16, 32, 32], "depth": [1, 2, 3], "num_heads": [1, 2, 4]}
_LEVIT: dict[str, Any] = {
    "image_size": 192,
    "hidden_sizes": [32, 48, 64],
    "num_attention_heads": [2, 3, 4],
    "depths": [1, 1, 1],
    "key_dim": [8, 8, 8],
}
_MOBILEVIT: dict[str, Any] = {
    "initializer_range": 0.1,
    "hidden_sizes": [32, 40, 48],
    "neck_hidden_sizes": [8, 8, 16, 24, 32, 40, 64],
}
_SWIFT: dict[str, Any] = {"depths": [1, 1, 1, 1], "embed_dims": [8, 16, 24, 32]}

CLASSIFIERS: dict[str, Configuration] = {
    "ViTForImageClassification": ("vit", 64, _TOKENS),
    "DeiTForImageClassification": ("deit", 64, _TOKENS),
    "DeiTForImageClassificationWithTeacher": ("deit", 64, _TOKENS),
    "BeitForImageClassification": ("beit", 64, _TOKENS),
    "Data2VecVisionForImageClassification": ("data2vec", 64, _TOKENS),
    "SwinForImageClassification": ("swin", 96, _SWIN),
    "Swinv2ForImageClassification": ("swinv2", 96, _SWIN),
    "ConvNextForImageClassification": ("convnext", 96, _STAGES),
    "ConvNextV2ForImageClassification": ("convnextv2", 96, _STAGES),
    "ResNetForImageClassification": ("resnet", 96, {"embedding_size": 8, **_STAGES}),
    "RegNetForImageClassification": (
        "regnet",
        96,
        {"embedding_size": 8, "groups_width": 8, **_STAGES},
    ),
    "BitForImageClassification": ("bit", 96, {"embedding_size": 8, "num_groups": 4, **_STAGES}),
    "MobileNetV1ForImageClassification": ("mobilenet_v1", 96, {"depth_multiplier": 0.25}),
    "MobileNetV2ForImageClassification": ("mobilenet_v2", 96, {"depth_multiplier": 0.35}),
    "MobileViTForImageClassification": ("mobilevit", 96, _MOBILEVIT),
    "MobileViTV2ForImageClassification": (
        "mobilevitv2",
        192,
        {"width_multiplier": 0.5, "initializer_range": 0.1},
    ),
    "PoolFormerForImageClassification": ("poolformer", 96, _STAGES),
    "SegformerForImageClassification": ("segformer", 96, _MIX),
    "PvtForImageClassification": ("pvt", 96, {"image_size": 96, **_MIX}),
    "PvtV2ForImageClassification": ("pvt_v2", 96, {"image_size": 96, **_MIX}),
    "EfficientNetForImageClassification": (
        "efficientnet",
        96,
        {"width_coefficient": 0.25, "hidden_dim": 320, "initializer_range": 0.1},
    ),
    "LevitForImageClassification": ("levit", 192, _LEVIT),
    "LevitForImageClassificationWithTeacher": ("levit", 192, _LEVIT),
    "CvtForImageClassification": ("cvt", 96, _CVT),
    "Dinov2ForImageClassification": ("dinov2", 64, _DINO),
    "Dinov2WithRegistersForImageClassification": ("dinov2_with_registers", 64, _DINO),
    "HieraForImageClassification": ("hiera", 64, _HIERA),
    "FocalNetForImageClassification": (
        "focalnet",
        96,
        {"image_size": 96, "embed_dim": 16, "depths": [1, 1, 2, 1]},
    ),
    "SwiftFormerForImageClassification": ("swiftformer", 96, _SWIFT),
    "CLIPForImageClassification": ("clip", 64, {"vision_config": _TOKENS}),
    "SiglipForImageClassification": ("siglip", 64, {"vision_config": _TOKENS}),
    "ViTMSNForImageClassification": ("vit_msn", 64, _TOKENS),
    "IJepaForImageClassification": ("ijepa", 64, _TOKENS),
}
ENCODERS: dict[str, Configuration] = {
    "CLIPVisionModel": ("clip", 64, _TOKENS),
    "CLIPVisionModelWithProjection": ("clip", 64, {**_TOKENS, "projection_dim": 24}),
    "Dinov2Model": ("dinov2", 64, _DINO),
    "ViTModel": ("vit", 64, _TOKENS),
    "BeitModel": ("beit", 64, _TOKENS),
    "DeiTModel": ("deit", 64, _TOKENS),
    "SiglipVisionModel": ("siglip", 64, _TOKENS),
    "IJepaModel": ("ijepa", 64, _TOKENS),
    "ConvNextModel": ("convnext", 96, _STAGES),
    "ResNetModel": ("resnet", 96, {"embedding_size": 8, **_STAGES}),
    "SwinModel": ("swin", 96, _SWIN),
    "SegformerModel": ("segformer", 96, _MIX),
    "HieraModel": ("hiera", 64, _HIERA),
}
CONFIGURATIONS = {**CLASSIFIERS, **ENCODERS}


def build(name: str) -> nn.Module:
    """The network of that name with random weights and, for a classifier, ten classes."""
    settings = CONFIGURATIONS[name][2]
    kind = getattr(transformers, name)
    classes = {"num_labels": 10} if name in CLASSIFIERS else {}
    torch.manual_seed(0)
    return kind(kind.config_class(**settings, **classes))
