import pytest

from invariscope.training import Recipe

FAKE = "torchvision:FakeData?size=60&image_size=3,12,12&num_classes=3"


@pytest.fixture
def tiny():
    """A training of a few steps."""
    return Recipe(
        FAKE,
        "small:cnn7?width=0.2&channels=3",
        size=12,
        epochs=2,
        batch_size=12,
        learning_rate=0.05,
    )
