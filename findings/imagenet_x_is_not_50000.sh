#!/usr/bin/env bash
# imagenet-x 0.0.7: the annotations of factors for "the ImageNet validation set", as its loader gives them.
#
# The guess: 50,000 rows, 50 per class, 1000 classes, one top factor each. The loader leaves out the
# prototypes unless told otherwise; with them there are still 1,132 pictures fewer than in the validation
# set, ONE CLASS OF THE 1000 HAS NO ROW AT ALL, another has 3, and two rows have no factor. An average over
# classes or factors that expects 1000 groups, or joins by position, is off without an error.
#
# Seen: rows 46110, with prototypes 48868; classes 999 (missing 899), smallest class 3 rows; rows without a factor 2
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check imagenet-x==0.0.7 pandas==3.1.1 numpy==2.4.6 matplotlib==3.11.2 pillow==13.0.0
env/bin/python -W ignore - <<'PY'
from imagenet_x import FACTORS, load_annotations

rows, everything = load_annotations(), load_annotations(filter_prototypes=False)
counts = everything["class"].value_counts()
missing = sorted(set(range(1000)) - set(counts.index))
empty = int((everything[list(FACTORS)].sum(axis=1) == 0).sum())
print(f"rows {len(rows)}, with prototypes {len(everything)}; classes {len(counts)} (missing "
      f"{', '.join(map(str, missing))}), smallest class {counts.min()} rows; rows without a factor {empty}")
assert (len(rows), len(everything), len(counts), counts.min(), empty) == (46110, 48868, 999, 3, 2)
PY
