#!/usr/bin/env bash
# pydicom 3.0.2: which of its steps turns a MONOCHROME1 X-ray (0 is white) into a picture?
#
# The guess: MONOCHROME1 is what says that low values are bright, so `pixel_array`, or at the latest
# `apply_presentation_lut` at the end of its chain (modality LUT, VOI LUT, presentation LUT), turns the
# values. None of them looks at PhotometricInterpretation: a MONOCHROME1 file comes out of the whole chain
# as its negative, without a warning. The last step follows only PresentationLUTShape (an attribute
# that most files lack), and follows it for MONOCHROME2 as well.
#
# Seen: 3.0.2
#   MONOCHROME1, no shape      [0, 1000, 4095] -> [0, 1000, 4095]
#   MONOCHROME2, no shape      [0, 1000, 4095] -> [0, 1000, 4095]
#   MONOCHROME1, shape INVERSE [0, 1000, 4095] -> [4095, 3095, 0]
#   MONOCHROME2, shape INVERSE [0, 1000, 4095] -> [4095, 3095, 0]
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
env/bin/python -W error - <<'PY'
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_presentation_lut, apply_voi_lut
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

stored = np.array([[0, 1000, 4095]] * 4, np.uint16)


def chain(photometric, shape):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("a.dcm", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns, data.SamplesPerPixel, data.PixelRepresentation = 4, 3, 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PhotometricInterpretation = photometric
    data.WindowCenter, data.WindowWidth = 2048, 4096
    if shape:
        data.PresentationLUTShape = shape
    data.PixelData = stored.tobytes()
    data.save_as("a.dcm", enforce_file_format=True)
    read = pydicom.dcmread("a.dcm")
    values = apply_modality_lut(read.pixel_array, read)
    values = apply_voi_lut(values, read).astype(np.uint16)
    return apply_presentation_lut(values, read)[0].tolist()


print(pydicom.__version__)
seen = {}
for shape in ("", "INVERSE"):
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        seen[photometric, shape] = chain(photometric, shape)
        print(f"  {photometric}, {'shape INVERSE' if shape else 'no shape     '} "
              f"{stored[0].tolist()} -> {seen[photometric, shape]}")
assert seen["MONOCHROME1", ""] == seen["MONOCHROME2", ""] == stored[0].tolist()
assert seen["MONOCHROME1", "INVERSE"] == seen["MONOCHROME2", "INVERSE"] == (4095 - stored[0]).tolist()
PY
