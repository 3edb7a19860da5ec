"""Lists the models that papers 002 and 003 measure, as specs.

Where their weights can be fetched the spec alone is enough; ``+untrained`` needs no weights. The
checkpoints of DINO, SimCLR and BiT are files: give their path.
"""

from typing import NamedTuple


class PaperModel(NamedTuple):
    """A model of a paper.

    Args:
        spec: What `load_model` takes.
        name: What the paper calls it.
        paper: Number of the paper.
        embedding: Length of its embedding.
    """

    spec: str
    name: str
    paper: str
    embedding: int


PAPER_MODELS = (
    PaperModel("timm:tf_efficientnet_b6", "EfficientNet-B6", "002", 2304),
    PaperModel("timm:tf_efficientnet_b7", "EfficientNet-B7", "002", 2560),
    PaperModel("timm:resnext101_32x8d", "ResNeXt-101", "002", 2048),
    PaperModel("torchvision:resnext101_32x8d", "ResNeXt-101", "002", 2048),
    PaperModel("timm:inception_v3", "Inception-v3", "002", 2048),
    PaperModel("torchvision:inception_v3", "Inception-v3", "002", 2048),
    PaperModel("timm:vit_base_patch16_224", "ViT-B/16", "002", 768),
    PaperModel("timm:mixer_b16_224", "MLP-Mixer-B/16", "002", 768),
    PaperModel("torchvision:resnet50", "ResNet-50", "003", 2048),
    PaperModel("torchvision:alexnet", "AlexNet", "003", 4096),
    PaperModel("torchvision:densenet121", "DenseNet-121", "003", 1024),
    PaperModel("timm:levit_192", "LeViT-192", "003", 384),
    PaperModel("timm:resnetv2_101x1_bit", "BiT ResNetV2-101", "003", 2048),
    PaperModel("checkpoint:PATH@torchvision:resnet50", "DINO, SimCLR ResNet-50", "003", 2048),
    PaperModel("checkpoint:PATH.npz@timm:resnetv2_50x1_bit", "BiT ResNetV2-50", "003", 2048),
)
