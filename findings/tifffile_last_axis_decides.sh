#!/usr/bin/env bash
# tifffile 2026.3.3, `imwrite` of arrays [height, width, band] without more arguments, read by Pillow 13.0.0.
#
# The guess: the shape says it all, so an array of height x width x bands comes back as one picture with as
# many bands. But what the last axis is, is guessed from its length: 4 become red, green, blue and
# unassociated alpha, so that a fourth band (near infrared, say) is transparency for every reader; with 5
# the *first* axis becomes pages, and a picture of 7 x 6 pixels is one of 5 x 7 for whoever opens the first page.
# photometric="minisblack" with planarconfig="contig" and extrasamples keeps the bands together.
#
# Seen: 3 bands: 1 page (6, 7, 3) RGB | 4: 1 page, UNASSALPHA, mode RGBA | 5: 6 pages (7, 5), size (5, 7)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3 pillow==13.0.0
cd "$work"
venv/bin/python - <<'P'
import numpy as np
import tifffile
from PIL import Image

print("tifffile", tifffile.__version__)
seen = {}
for bands in (3, 4, 5):
    tifffile.imwrite("bands.tif", np.arange(6 * 7 * bands, dtype=np.uint8).reshape(6, 7, bands))
    with tifffile.TiffFile("bands.tif") as file, Image.open("bands.tif") as picture:
        page = file.pages[0]
        extra = [sample.name for sample in page.extrasamples]
        seen[bands] = (
            len(file.pages), page.shape, page.photometric.name, extra, picture.mode, picture.size,
        )
        print(bands, "bands:", *seen[bands])
assert seen == {
    3: (1, (6, 7, 3), "RGB", [], "RGB", (7, 6)),
    4: (1, (6, 7, 4), "RGB", ["UNASSALPHA"], "RGBA", (7, 6)),
    5: (6, (7, 5), "MINISBLACK", [], "L", (5, 7)),
}, seen
tifffile.imwrite(
    "bands.tif", np.zeros((6, 7, 5), np.uint8), photometric="minisblack", planarconfig="contig",
    extrasamples=["unspecified"] * 4,
)
with tifffile.TiffFile("bands.tif") as file:
    assert (len(file.pages), file.pages[0].shape) == (1, (6, 7, 5))
print("as described")
P
