"""VGG-11 for small images (Simonyan and Zisserman 2015, configuration A): ``vgg11``.

Eight 3×3 convolutions of 64, 128, 256, 256, 512, 512, 512, 512 channels, each with batch norm and
ReLU, max-pooling of stride 2 after the 1st, 2nd, 4th, 6th and 8th, one linear map. The form of the
CIFAR literature, without the fully connected layers: 9.2 M parameters at 10 classes. Paper 004.
An odd side is pooled with its last row kept, so that 28 and 29 pixels survive five poolings.
"""

from jaxtyping import Float
from torch import Tensor, nn

from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture
from invariscope.models.small.residual import draw_for_relu

_CHANNELS = (64, 128, 256, 256, 512, 512, 512, 512)
_POOLED = (0, 1, 3, 5, 7)


class Vgg(nn.Module):
    """Convolutions and poolings, global average, linear map."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.features = nn.Sequential()
        inputs = shape.channels
        for number, channels in enumerate(_CHANNELS):
            outputs = shape.scaled(channels)
            self.features.append(nn.Conv2d(inputs, outputs, 3, padding=1))
            self.features.append(nn.BatchNorm2d(outputs))
            self.features.append(nn.ReLU())
            if number in _POOLED:
                self.features.append(nn.MaxPool2d(2, ceil_mode=True))
            inputs = outputs
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(inputs, shape.classes)
        draw_for_relu(self)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        return self.classify(self.pool(self.features(images)).flatten(1))


SMALL.add("vgg11", SmallArchitecture(Vgg))
