#!/usr/bin/env bash
# webdataset 1.0.2 on a tar of four camera pictures with their classes: IMG.0001.png, IMG.0001.cls, ...
#
# The guess: the extension is what follows the last dot, so there are four samples, each with "png" and
# "cls". The key ends at the *first* dot of the file's name: the four pictures become ONE sample with the
# key "IMG" and the fields "0001.png", "0001.cls", "0002.png", ...; `.decode("pil")` decodes all of them, and
# nothing warns. A reader that counts samples gets 1 of 4.
#
# Seen: 1 sample(s) of 4 pictures: IMG ['0001.cls', '0001.png', '0002.cls', '0002.png', '0003.cls', '0003.png', '0004.cls', '0004.png'] | with dashes: 4 sample(s)
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check webdataset==1.0.2 pillow==13.0.0 numpy==2.4.6
env/bin/python - <<'PY'
import io
import tarfile

import webdataset
from PIL import Image


def samples(separator):
    with tarfile.open("a.tar", "w") as shard:
        for number in range(1, 5):
            picture = io.BytesIO()
            Image.new("RGB", (4, 4), (number, 0, 0)).save(picture, "PNG")
            for ending, content in (("png", picture.getvalue()), ("cls", b"%d" % number)):
                member = tarfile.TarInfo(f"IMG{separator}{number:04}.{ending}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    return list(webdataset.WebDataset("a.tar", shardshuffle=False).decode("pil"))


dotted, dashed = samples("."), samples("-")
fields = sorted(key for key in dotted[0] if not key.startswith("__"))
print(len(dotted), "sample(s) of 4 pictures:", dotted[0]["__key__"], fields, "| with dashes:",
      len(dashed), "sample(s)")
assert len(dotted) == 1 and len(fields) == 8 and len(dashed) == 4
assert all(isinstance(dotted[0][f"{n:04}.png"], Image.Image) for n in range(1, 5))
PY
