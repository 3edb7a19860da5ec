#!/usr/bin/env bash
# transformers 5.24.0 (torch 2.14.1): what does the preprocessor_config.json that MobileViTImageProcessor saves say?
#
# The guess: `image_mean` and `image_std` in such a file are what the pictures are normalised with, as for every
# other image processor; `do_normalize: false` would say otherwise, and its default elsewhere is true.
# The saved file holds image_mean = image_std = [0.5, 0.5, 0.5] and no `do_normalize`; the processor never normalises. It
# gives [0, 1] with the channels turned round (blue first), which `do_flip_channel_order` alone says. Who reads the
# file by its means feeds the network [-1, 1] in the wrong order.
#
# Seen: 5.24.0 | image_mean [0.5, 0.5, 0.5] image_std [0.5, 0.5, 0.5] do_normalize absent do_flip_channel_order True | red becomes [0.0, 0.0, 1.0]
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check transformers==5.24.0 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
env/bin/python -W ignore - <<'PY'
import json

import numpy as np
import transformers
from transformers import MobileViTImageProcessor

MobileViTImageProcessor().save_pretrained("saved")
with open("saved/preprocessor_config.json") as file:
    saved = json.load(file)
names = ("image_mean", "image_std", "do_normalize", "do_flip_channel_order")
said = " ".join(f"{name} {saved.get(name, 'absent')}" for name in names)
red = np.full((256, 256, 3), (255, 0, 0), np.uint8)
processor = MobileViTImageProcessor.from_pretrained("saved")
given = processor(red, return_tensors="pt").pixel_values[0, :, 128, 128].tolist()
print(transformers.__version__, "|", said, "| red becomes", given)
assert saved["image_mean"] == saved["image_std"] == [0.5, 0.5, 0.5]
assert "do_normalize" not in saved and saved["do_flip_channel_order"] is True
assert given == [0.0, 0.0, 1.0]
PY
