#!/usr/bin/env bash
# datasets 5.2.0, an Image column with PNGs of one and the same picture in modes RGB, P (palette) and 1,
# read with `with_format("numpy")` (the formats for torch, jax and tensorflow do likewise).
#
# The guess: one feature type, decoded by the library, gives one kind of array. It gives the array that
# Pillow stores: of the palette file [H, W] uint8 with *positions in the palette* (0 for a red picture),
# which nothing tells from grey values, and of mode 1 [H, W] bool. A slice of palette rows alone even comes
# as a neat uint8 [N, H, W]. `cast_column("image", Image(mode="RGB"))` is what gives colours.
#
# Seen: RGB (4, 4, 3) uint8 200 | P (4, 4) uint8 0 | 1 (4, 4) bool True | two palette rows (2, 4, 4) uint8 | with mode='RGB' P (4, 4, 3) uint8 200
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
HF_HOME="$dir" HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import io

from datasets import Dataset, Image
from PIL import Image as Pillow

red = Pillow.new("RGB", (4, 4), (200, 30, 60))


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


modes = {"RGB": red, "P": red.quantize(16), "1": red.point(lambda v: 255).convert("1")}
rows = Dataset.from_dict({"image": [png(picture) for picture in modes.values()]})
data = rows.cast_column("image", Image()).with_format("numpy")
seen = {mode: data[place]["image"] for place, mode in enumerate(modes)}
text = lambda a: f"{a.shape} {a.dtype} {a.ravel()[0]}"
twice = Dataset.from_dict({"image": [png(modes["P"])] * 2}).cast_column("image", Image())
pair = twice.with_format("numpy")[:]["image"]
forced = rows.cast_column("image", Image(mode="RGB")).with_format("numpy")[1]["image"]
print(" | ".join(f"{mode} {text(array)}" for mode, array in seen.items()), "| two palette rows",
      pair.shape, pair.dtype, "| with mode='RGB' P", text(forced))
assert seen["RGB"].shape == (4, 4, 3) and seen["P"].shape == (4, 4) and seen["1"].dtype == bool
assert seen["P"].max() < 16 and pair.shape == (2, 4, 4) and forced[0, 0].tolist() == [200, 30, 60]
PY
