"""The published code, where it is installed: the same pictures of the same draws, or as far ones.

imagecorruptions has no seeds. What it draws by NumPy is given here from the generators of ours; the
others draw as they do, and the mean distance of several pictures from the image is compared. Its
elastic_transform is another than that of ImageNet-C (no affine part): test_elastic.py has a form of
the latter.
"""

from typing import Any

import numpy as np
import pytest
import torch

from invariscope.data import open_source
from invariscope.transformations.corruptions import CORRUPTIONS

published = pytest.importorskip(
    "imagecorruptions", reason="pip install imagecorruptions-imaug gives an independent form"
)
#: The root mean square between two pictures of the same draws, at most: rounding to 8 bits; more
#: for defocus_blur (the edge of a disc), water of spatter (their distances are approximate) and
#: zoom_blur (resampled otherwise).
SAME = {
    "brightness": 0.005, "contrast": 0.003, "saturate": 0.004, "gaussian_blur": 0.003,
    "defocus_blur": 0.007, "pixelate": 0.003, "jpeg_compression": 0.004, "motion_blur": 0.003,
    "snow": 0.003, "spatter": 0.01, "zoom_blur": 0.025,
}  # fmt: skip
#: How many pictures a mean is over, of those that draw otherwise.
PICTURES = 4, 40  # 40 of fog, which differs most


@pytest.fixture(scope="module")
def pixels():
    source: Any = open_source("samples")
    return np.asarray(source.load(0).convert("RGB").resize((224, 224)))


class SameDraws:
    """NumPy's draws, taken from the generator that a corruption of ours draws from."""

    def __init__(self, name, seed):
        own = torch.Generator().manual_seed(seed)
        if name in ("snow", "spatter"):
            self.field = torch.randn(1, 224, 224, generator=own)[0].double().numpy()
        self.share = float(torch.rand((), generator=own))
        self.down = name == "snow"  # ours begins at the other end of −135 to −45

    def normal(self, size, loc, scale):
        return loc + scale * self.field

    def uniform(self, low, high):
        share = 1 - self.share if self.down else self.share
        return low + (high - low) * share


def theirs(pixels, name, severity, seed, monkeypatch):
    more = {"seed": seed} if name in ("glass_blur", "impulse_noise") else {}
    with monkeypatch.context() as patched:
        if name in SAME:
            draws = SameDraws(name, seed)
            patched.setattr(np.random, "normal", draws.normal)
            patched.setattr(np.random, "uniform", draws.uniform)
        np.random.seed(seed)  # noqa: NPY002  it draws from the generator of the process
        return published.corrupt(pixels, corruption_name=name, severity=severity, **more) / 255


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CORRUPTIONS.keys() - {"elastic_transform"}))
def test_as_far_from_the_image_as_the_published_code(name, pixels, monkeypatch):
    act, severities = CORRUPTIONS[name].act, CORRUPTIONS[name].severities
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    for severity in range(1, 6):
        far, apart = [], []
        for seed in range(PICTURES[name == "fog"]):
            made = act(image, severities[severity - 1], [torch.Generator().manual_seed(seed)])
            both = (
                made.clamp(0, 1)[0].permute(1, 2, 0).numpy(),
                theirs(pixels, name, severity, seed, monkeypatch),
            )
            far.append([np.sqrt(((one - pixels / 255) ** 2).mean()) for one in both])
            apart.append(np.sqrt(((both[0] - both[1]) ** 2).mean()))
        ours, other = np.mean(far, 0)
        assert ours == pytest.approx(other, rel=0.06), (name, severity)
        if name in SAME:
            assert max(apart) < SAME[name], (name, severity)
        print(f"{name} {severity}: {max(apart):.4f} apart, {100 * (ours / other - 1):+.1f} %")
