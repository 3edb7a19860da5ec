#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93: how far does cv2.warpAffine move a picture by 1/128 of a pixel?
#
# The guess, from years of OpenCV 3 and 4: all interpolations round positions to 1/32 of a pixel, so
# nothing moves. In 5.0.0, on float32, three interpolations of one function behave in three ways:
#   INTER_LINEAR    uses the exact position: 1/128 of a pixel is 1/128.
#   INTER_CUBIC     uses the exact position, but its kernel (a = -0.75) does not keep a linear ramp:
#                   on a ramp of slope 1, a quarter of a pixel moves it by 0.297 instead of 0.25.
#   INTER_LANCZOS4  still rounds to 1/32: 1/128 of a pixel leaves every bit of the picture as it is.
# So a sweep over small shifts compares an exact warp, a biased one, and one with dead steps.
#
# Seen: 5.0.0 | ramp moved by 1/128: linear 0.0078 cubic 0.0116 lanczos4 0.0000 | by 1/4: linear 0.2500 cubic 0.2969 lanczos4 0.2645
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
env/bin/python - <<'PY'
import cv2
import numpy as np

ramp = np.tile(np.arange(64, dtype=np.float32), (9, 1))
modes = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos4": cv2.INTER_LANCZOS4}


def moved(step, mode):
    shift = np.float32([[1, 0, step], [0, 1, 0]])
    return float((ramp - cv2.warpAffine(ramp, shift, (64, 9), flags=mode))[4, 32])


small = {name: moved(1 / 128, mode) for name, mode in modes.items()}
large = {name: moved(1 / 4, mode) for name, mode in modes.items()}
line = lambda values: " ".join(f"{name} {value:.4f}" for name, value in values.items())
print(cv2.__version__, "| ramp moved by 1/128:", line(small), "| by 1/4:", line(large))
assert abs(small["linear"] - 1 / 128) < 1e-5 and small["lanczos4"] == 0
assert abs(large["linear"] - 1 / 4) < 1e-5 and abs(large["cubic"] - 1 / 4) > 0.03
PY
