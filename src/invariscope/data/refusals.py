"""Says of what cannot be opened what it is and which way works, in one line."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

_WAYS = {
    ".h5 .hdf5 .he5": "HDF5; in Python give the arrays: (h5py.File(FILE)['images'][:], labels)",
    ".mat": "MATLAB's; in Python give the arrays: scipy.io.loadmat(FILE)['images']",
    ".tfrecord .tfrecords .tfrec": "TensorFlow's records; write them as shards (webdataset:) or as "
    "image files",
    ".lmdb .mdb": "LMDB; in Python give a data set whose [index] decodes a value",
    ".dcm .dicom": "DICOM; in Python apply the window (pydicom) and give uint8 or uint16 arrays",
    ".nii .nii.gz .mha .mhd .nrrd": "a volume; in Python choose slices (nibabel, SimpleITK) and "
    "give them as an array [N, H, W]",
    ".mp4 .avi .mov .mkv .webm .m4v .mpg .mpeg": "a video; write its frames to a folder: ffmpeg -i "
    "FILE frames/%05d.png",
    ".pkl .pickle .joblib": "a pickle, which may run code and is not opened; load it yourself and "
    "give the arrays",
    ".pt .pth .ckpt .safetensors": "PyTorch's; in Python give the tensors: (images, labels)",
    ".json .jsonl .ndjson": "JSON; write a CSV with the columns path and label",
    ".xlsx .xls .ods": "a spreadsheet; save it as CSV with the columns path and label",
    ".rar .7z .zst": "an archive that is not read here; unpack it, or pack a zip or tar",
    ".zarr": "Zarr; in Python give the array: zarr.open(FILE)['images'][:]",
    ".beton .rec .idx": "a format of training records; give the image files or a data set",
    ".heic .heif": "HEIF; convert it to PNG or JPEG first",
    ".svg .pdf .eps": "a drawing; render it to PNG first",
    ".nef .cr2 .cr3 .arw .dng .raf": "a raw photograph; develop it to PNG or TIFF first",
    ".arrow": "Arrow of Hugging Face; give the folder of save_to_disk as hf:FOLDER",
}
_WAY_OF = {suffix: way for suffixes, way in _WAYS.items() for suffix in suffixes.split()}


def way_of(path: str) -> str:
    """Describes a file or folder of that name, and the way that works; "" if unknown.

    Example:
        >>> way_of("clip.MP4")
        'a video; write its frames to a folder: ffmpeg -i FILE frames/%05d.png'
    """
    name = path.lower().rstrip("/")
    return next((way for suffix, way in _WAY_OF.items() if name.endswith(suffix)), "")


def way_of_most(names: Iterable[str]) -> str:
    """Describes the commonest known kind among files, and its way; "" if none is known."""
    ways = [way for way in map(way_of, names) if way]
    return max(ways, key=ways.count) if ways else ""


def refuse_path(spec: str) -> str:
    """Says why a path or spec is no source, where that can be said; else ""."""
    if "://" in spec:
        return f"{spec!r} is an address; download it first and give the folder, zip or tar"
    way = way_of(spec.partition("?")[0])
    if not way:
        return ""
    gone = "" if os.path.exists(os.path.expanduser(spec.partition("?")[0])) else "; nor is it there"
    return f"{spec!r} is {way}{gone}"


def refuse_object(images: Any) -> str:
    """Says why an object is no source and what would work; "" where nothing is known about it."""
    kind = type(images)
    what = f"images of type {kind.__name__}"
    family = kind.__module__.partition(".")[0]
    if images is None:
        return f"{what}: none; give a folder, a spec such as 'samples', an array or a data set"
    if _is_loader(images):
        return (
            f"a {kind.__name__} makes batches, as a rule normalised; give its data set: "
            "loader.dataset, without Normalize"
        )
    if isinstance(images, Mapping):
        return _refuse_mapping(images)
    if family == "tensorflow":
        return f"{what}: give tfds.as_numpy(data) and num_images, or image files"
    if isinstance(images, set | frozenset):
        return f"{what} have no order; give a list"
    if isinstance(images, bytes | bytearray):
        return f"{what}: encoded bytes; give Pillow images, or a folder of files"
    if family == "PIL":
        return "one image; give a list of at least two"
    if hasattr(images, "state_dict") and hasattr(images, "forward"):
        return f"{what} are a model; the model comes first, then the images: measure(model, images)"
    return ""


def _is_loader(images: Any) -> bool:
    names = {base.__name__ for base in type(images).__mro__}
    return bool(names & {"DataLoader", "WebLoader"})


def _refuse_mapping(images: Mapping[Any, Any]) -> str:
    keys = [str(key) for key in images]
    shown = ", ".join(keys[:5]) + (", …" if len(keys) > 5 else "")
    lower = {key.lower(): key for key in keys}
    picture = next((lower[key] for key in ("images", "image", "x", "data") if key in lower), None)
    label = next((lower[key] for key in ("labels", "label", "y", "targets") if key in lower), None)
    if picture is None:
        return f"a dictionary with the keys {shown}; give the images alone, or (images, labels)"
    pair = f"(d[{picture!r}], d[{label!r}])" if label else f"d[{picture!r}]"
    return f"a dictionary with the keys {shown}; give {pair}"
