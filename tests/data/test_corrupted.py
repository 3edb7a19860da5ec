import pickle

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import stats

from invariscope.data import open_source
from invariscope.data.corrupted import CORRUPTIONS, CorruptedSource
from invariscope.errors import InputError

GENERATOR = np.random.default_rng(1)
IMAGES = GENERATOR.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)


def corrupted(name, seed=0, images=IMAGES):
    source = CorruptedSource(name, open_source(images), seed)
    return np.stack([np.asarray(source.load(i)) for i in range(len(images))]).astype(float)


def test_the_closed_forms():
    assert np.array_equal(corrupted("invert"), 255.0 - IMAGES)
    means = IMAGES.mean((1, 2, 3), keepdims=True)
    assert np.abs(corrupted("contrast") - (means + 0.3 * (IMAGES - means))).max() <= 0.5 + 1e-9
    square = IMAGES[:, :, :16]
    means = square.reshape(6, 8, 2, 8, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    assert np.abs(corrupted("blocks", images=square) - means).max() <= 1
    image = Image.fromarray(IMAGES[0]).filter(ImageFilter.GaussianBlur(1.5))
    assert np.array_equal(corrupted("blur")[0], np.asarray(image))


def test_noise_has_its_spread_and_impulses_their_share():
    grey = np.full((1, 200, 200, 3), 128, dtype=np.uint8)
    noisy = corrupted("noise", images=grey) / 255
    inner = noisy[(noisy > 0) & (noisy < 1)]
    within = stats.truncnorm((0 - 128 / 255) / 0.3, (1 - 128 / 255) / 0.3, scale=0.3)
    assert inner.std() == pytest.approx(within.std(), abs=0.003)
    hit = (corrupted("impulse", images=grey)[0] != 128).all(-1)
    assert hit.mean() == pytest.approx(0.1, abs=0.006)
    assert corrupted("impulse", images=grey)[0][hit].mean() == pytest.approx(127.5, abs=8)


def test_a_function_of_seed_and_id():
    for name in CORRUPTIONS:
        again = pickle.loads(pickle.dumps(CorruptedSource(name, open_source(IMAGES))))
        alone = np.asarray(again.load(3)).astype(float)
        assert np.array_equal(corrupted(name)[3], alone)
    assert not np.array_equal(corrupted("noise"), corrupted("noise", seed=1))
    assert not np.array_equal(corrupted("noise")[0] - IMAGES[0], corrupted("noise")[1] - IMAGES[1])


def test_through_a_spec():
    pytest.importorskip("sklearn")
    inner = "rotated-mnist?of=digits%26split=test"
    source = open_source(f"corrupted:invert?of={inner}")
    plain = open_source("rotated-mnist?of=digits&split=test")
    assert list(source.ids) == list(plain.ids)
    assert source.labels == plain.labels
    assert np.array_equal(255 - np.asarray(plain.load(2)), np.asarray(source.load(2)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("corrupted", "corrupted: how"),
        ("corrupted:noise", "of which images"),
        ("corrupted:nose?of=samples", "unknown corruption 'nose': did you mean noise"),
        ("corrupted:noise?of=no_such", "unknown image source 'no_such'"),
    ],
)
def test_wrong_specs(spec, message):
    with pytest.raises(InputError, match=message):
        open_source(spec)
