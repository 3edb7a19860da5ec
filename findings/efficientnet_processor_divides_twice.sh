#!/usr/bin/env bash
# transformers 5.24.0, EfficientNetImageProcessor as `google/efficientnet-*` configurations use it: what do its mean and
# standard deviation do to a picture?
#
# The guess: (value / 255 - image_mean) / image_std, as for every other processor with these fields, so that reading the
# two from preprocessor_config.json is enough. With `include_top` (the default: named after the classifier, not after
# pictures) it normalises a second time, with a mean of 0: (value / 255 - mean) / std / std. A pipeline that takes mean
# and std from the file shows the network pictures of half the contrast (std 0.5), or of less.
#
# Seen: transformers 5.24.0 | grey 200 by the fields: [0.569, 0.569, 0.569] | include_top=False: [0.569, 0.569, 0.569] |
# as it comes: [1.137, 1.137, 1.137] | that is once more over std: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "transformers==5.24.0" "torch==2.14.1" "torchvision==0.29.1" "pillow>=11"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import transformers
from PIL import Image
from transformers import EfficientNetImageProcessor

picture = Image.new("RGB", (32, 32), (200, 200, 200))


def shown(**options):
    processor = EfficientNetImageProcessor(size={"height": 32, "width": 32}, **options)
    return np.asarray(processor(picture, return_tensors="np")["pixel_values"])[0, :, 16, 16]


processor = EfficientNetImageProcessor()
mean, std = np.array(processor.image_mean), np.array(processor.image_std)
fields = (200 / 255 - mean) / std
once, twice = shown(include_top=False), shown()
again = bool(np.allclose(twice, fields / std, atol=1e-3))
values = [[round(float(v), 3) for v in row] for row in (fields, once, twice)]
print(
    f"transformers {transformers.__version__} | grey 200 by the fields: {values[0]} | include_top=False: "
    f"{values[1]} | as it comes: {values[2]} | that is once more over std: {again}"
)
if not (again and np.allclose(once, fields, atol=1e-3)):
    sys.exit("the behaviour has changed")
PY
