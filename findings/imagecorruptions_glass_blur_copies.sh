#!/usr/bin/env bash
# imagecorruptions-imaug 1.1.5 (ImageNet-C's corruptions as a package): does glass_blur swap pixels, as its
# comment says?
#
# The guess: yes, so light is kept: a white square on black is as bright in sum after it as before (a blur
# keeps the sum, a swap does, and the second blur). It is not: sums go up and down by several parts of a
# hundred with the draw. The line is `x[h, w], x[h2, w2] = x[h2, w2], x[h, w]`, as in the code that made the
# pictures of ImageNet-C. Of an array with a channel axis both right sides are views: the first
# assignment overwrites what the second reads, so the pixel gets its neighbour's value and the neighbour keeps
# it. A tuple swap swaps numbers, not rows. Whoever writes the corruption anew with true swaps gets another.
#
# Seen: sum of light after / before, of 20 draws: standard deviation 0.0418, of true swaps 0.0004 (loops over numbers, the same law of steps)
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-deps imagecorruptions-imaug==1.1.5 opencv-python-headless==5.0.0.93
env/bin/pip install -q --disable-pip-version-check scikit-image==0.26.0 scipy==1.17.1 pillow==13.0.0 numpy==2.4.6 numba==0.68.1
env/bin/python -W ignore - <<'PY'
import numpy as np
from imagecorruptions import corrupt
from skimage.filters import gaussian

picture = np.zeros((96, 96, 3), np.uint8)
picture[36:60, 36:60] = 255


def truly_swapped(picture, seed, deviation=1.5, reach=4, times=2):
    rng, blurred = np.random.default_rng(seed), gaussian(picture / 255, deviation, channel_axis=-1)
    x = np.uint8(blurred * 255)
    for _ in range(times):
        for h in range(96 - reach, reach, -1):
            for w in range(96 - reach, reach, -1):
                dx, dy = rng.integers(-reach, reach, 2)
                for band in range(3):
                    here, there = int(x[h, w, band]), int(x[h + dy, w + dx, band])
                    x[h, w, band], x[h + dy, w + dx, band] = there, here
    return np.uint8(gaussian(x / 255, deviation, channel_axis=-1) * 255)


def spread(act):
    return float(np.std([act(seed).sum() / picture.sum() for seed in range(20)]))


theirs = spread(lambda seed: corrupt(picture, corruption_name="glass_blur", severity=5, seed=seed))
swaps = spread(lambda seed: truly_swapped(picture, seed))
print(f"sum of light after / before: standard deviation {theirs:.4f}, of true swaps {swaps:.4f}")
assert theirs > 10 * swaps
PY
