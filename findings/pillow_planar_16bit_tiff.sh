#!/usr/bin/env bash
# Pillow 13.0.0 on a 16-bit RGB TIFF with separate planes (PlanarConfiguration 2), written by
# tifffile 2026.3.3, as microscopes and satellites' tools write them.
#
# The guess: a TIFF's compression is lossless and does not matter; Pillow reduces 16-bit colour to
# its high byte, or refuses the file. Compressed (deflate, LZW) it does give the high byte. The same
# array *uncompressed* is opened without a word, in the right size and mode, with scrambled values:
# its raw decoder takes the bytes of a plane for 8-bit samples.
#
# Seen: none: mode RGB, right samples 0.4% | deflate: mode RGB, right samples 100.0% | lzw: mode RGB, right samples 100.0%
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
env/bin/python - <<'PY'
import numpy as np
import tifffile
from PIL import Image

planes = np.random.default_rng(0).integers(0, 65536, (3, 40, 60), dtype=np.uint16)
high_byte = np.moveaxis(planes, 0, -1) >> 8
right = {}
for compression in (None, "deflate", "lzw"):
    tifffile.imwrite("a.tif", planes, photometric="rgb", planarconfig="separate", compression=compression)
    assert (tifffile.imread("a.tif") == planes).all()
    with Image.open("a.tif") as picture:
        mode, pixels = picture.mode, np.asarray(picture)
    assert pixels.shape == (40, 60, 3)
    right[compression] = float((pixels == high_byte).mean())
    print(f"{compression or 'none'}: mode {mode}, right samples {right[compression]:.1%}")
assert right["deflate"] == right["lzw"] == 1 and right[None] < 0.05
PY
