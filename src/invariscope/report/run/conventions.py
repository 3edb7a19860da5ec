"""What the numbers of a run mean: its conventions in words, read from the manifest."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from invariscope.report.kit.provenance import where_pixels_move
from invariscope.report.kit.words import capitalised, listed, metric_words, transformation_words
from invariscope.report.run.readings import Readings

_METRICS = {
    "relative_invariance": (
        "Relative invariance",
        "(b − d) / b for each image: d is the distance between the representations of an image and"
        " of its transformed copy, b the distance between that image and the transformed copy of"
        " another. 1: nothing moved. 0: moved as far as another image is. Below 0: farther. The"
        " name alone means cosine distance; “:l2” means Euclidean distance. Feature maps are"
        " averaged over their positions first.",
    ),
    "mean_relative_invariance": (
        "Mean relative invariance",
        "1 − mean d / mean b, with b over all pairs of different images: the same idea with less"
        " noise, one number for all images.",
    ),
    "prediction_consistency": (
        "Prediction kept",
        "The share of images whose predicted class under the transformation is the one predicted"
        " without it, right or wrong.",
    ),
    "channel_invariance": (
        "Channel invariance",
        "The correlation of each channel of the moved image’s map, f(T_g x)_c, with the same"
        " channel of the moved map, T_g f(x)_c; the mean over living channels. The name alone:"
        " over the positions of each image, then averaged over images (paper 002, eq. 4)."
        " “:pooled”: over all images and positions of the data set, which is defined at vectors,"
        " too, over images only. “:cosine”: the cosine instead of the correlation. “:literal”:"
        " against the map not moved.",
    ),
    "channel_equivariance": (
        "Channel equivariance",
        "The same with the best match: the largest correlation with any channel c′ (paper 002, eq."
        " 7). A maximum over channels is above 0 by chance, most so image by image and where there"
        " are few positions or images: “by chance” is the same maximum with another image’s maps.",
    ),
    "dead_channels": (
        "Dead channels",
        "The share of channels that are constant over the positions of an image; they have no"
        " correlation and count in no mean.",
    ),
    "channel_eed": (
        "Channelwise G-EED",
        "Minus the mean cosine of f(T_g x)_c and T_g f(x)_c (paper 003, eq. 5). −1: equivariant.",
    ),
    "latent_eed": (
        "Latent G-EED",
        "The distance of each element’s representation from the mean over the group, in units of"
        " the mean distance between different images (paper 003, eq. 6). 0: invariant. “:cosine”:"
        " with cosines.",
    ),
    "softmax_eed": (
        "Softmax G-EED",
        "The Kullback–Leibler divergence, in nats, of each element’s class probabilities from their"
        " mean over the group (paper 003). 0: invariant; there is no upper end.",
    ),
    "normalized_variance": (
        "Normalised variance",
        "The variance over the levels of a transformation, in units of the variance over images. 0:"
        " invariant; there is no upper end.",
    ),
    "lie_derivative": (
        "Lie derivative",
        "How fast a layer begins to break the symmetry: the mean over outputs of the squares of its"
        " derivative at level 0 (Gruver et al. 2022). 0: equivariant. “:relative”: in spreads of"
        " the output over images for each spread that the pixels move, without a unit. The plain"
        " form and “:softmax” (of the probabilities) have that of the motion, squared: {units}.",
    ),
    "accuracy": ("Accuracy", "The share of images whose predicted class is their label."),
}

_CONTROLS = {
    "untrained": (
        "Untrained twin",
        "The same architecture with random weights (seeded), on the same images: what the"
        " architecture alone gives. Only the difference from it can come from training.",
    ),
    "floor": (
        "Interpolation floor",
        "The image transformed and turned back, against the untouched image: what resampling and"
        " the frame’s edge cost, without any change of pose. A model cannot be blamed for a drop"
        " that the floor shares.",
    ),
    "shuffled": (
        "Another image",
        "The same measure with each image’s transformed copy exchanged for another image’s: what no"
        " relation at all looks like. It lies near 0.",
    ),
}

_BORDERS = {
    "zeros": "filled with {fill}",
    "reflect": "mirrored at the edge",
    "circular": "wrapped around from the other side",
    "valid": "masked: pixels that left the frame count nowhere",
}


def conventions(readings: Readings) -> list[tuple[str, str]]:
    """(term, explanation) of everything a reader must know to use the numbers."""
    settings, manifest = readings.settings, readings.manifest
    measured = {str(metric) for metric in readings.overall["metric"].unique()}
    found = [about for name, about in _METRICS.items() if _any_of(name, measured)]
    found = [(term, text.replace("{units}", _units(settings))) for term, text in found]
    for name in sorted(measured):
        about = manifest.get("metrics", {}).get(name, {})
        if not any(name == known or name.startswith(f"{known}:") for known in _METRICS):
            direction = capitalised(str(about.get("direction", "see the metric’s own page")))
            found.append((metric_words(name), f"{direction}."))
    found.append(("Where the transformations act", where_pixels_move(settings)))
    found.append(
        (
            "Levels",
            f"Table “{settings.get('table', 'standard')}”. Level 0 is exactly the untouched image."
            " Positive angles turn counter-clockwise as seen on the screen; shifts are right and"
            " down; the centre is the image’s centre. “±” means that each image has its own"
            " direction, drawn from the seed and the image’s name.",
        )
    )
    found.append(("Border and interpolation", _border(settings)))
    found.append(
        (
            "Pairing",
            "“Another image” is the next image of the same block of"
            f" {settings.get('block_size', 32)}, in the run’s seeded order, and never the same"
            " image.",
        )
    )
    found.append(
        (
            "Intervals",
            "95 % percentile bootstrap over images (never over image × level pairs), seeded. Where"
            " neighbours share an image through the pairing, runs of consecutive images are drawn"
            " together. The interval of a mean over levels is the mean of the levels’ interval"
            " ends, which is the cautious choice.",
        )
    )
    present = set(readings.overall["control"])
    found.extend(about for name, about in _CONTROLS.items() if name in present)
    if "shuffled" in present and any(name.startswith("channel_equivariance") for name in measured):
        term, text = _CONTROLS["shuffled"]
        place = found.index((term, text))
        found[place] = (term, text.replace("near 0", "near 0, except for channel equivariance"))
    parts = (
        "Early, Middle and Late are uniform thirds of the watched layers before global pooling;"
        " Pool lies right after it (the embedding), Final before softmax."
    )
    found.append(("Parts", parts))
    return found


def _units(settings: Mapping[str, Any]) -> str:
    """The units of the Lie derivatives of a run: "per radian² for rotation"."""
    names: dict[str, list[str]] = {}
    for cell in settings.get("cells", ()):
        if "derivative_unit" in cell:
            words = transformation_words(cell["transformation"])
            names.setdefault(cell["derivative_unit"], []).append(words)
    return "; ".join(f"{unit} for {listed(words)}" for unit, words in names.items())


def command(readings: Readings) -> str:
    """What repeats the run: its command line, or for a run from Python the call.

    A model or images that were handed over as objects appear as ``model`` and ``images``.
    """
    recorded = readings.manifest.get("execution", {}).get("command")
    if recorded:
        return f"invariscope {shlex.join(str(word) for word in recorded)}"
    settings = readings.settings
    model, data = str(settings.get("model", "")), str(settings.get("data", ""))
    handed_over = ":" not in model or model.startswith(("module:", "callable:"))
    arguments = {
        "transformations": readings.transformations,
        "table": settings.get("table", "standard"),
        "metrics": list(settings.get("metrics", ())),
        "num_images": settings.get("num_images", readings.n),
        "seed": settings.get("seed", 0),
        "twin": "untrained" in settings.get("controls", ()),
        "floor": "floor" in settings.get("controls", ()),
    }
    words = ["model" if handed_over else repr(model)]
    words.append(repr(data) if re.match(r"samples$|[\w-]+:|.*/", data) else "images")
    words += [f"{name}={value!r}" for name, value in arguments.items()]
    return "invariscope.measure(\n    " + ",\n    ".join(words) + ",\n)"


def _any_of(name: str, measured: set[str]) -> bool:
    return any(metric == name or metric.startswith(f"{name}:") for metric in measured)


def _border(settings: Mapping[str, Any]) -> str:
    fill = float(settings.get("fill", 0.0))
    shade = "black" if fill == 0 else "white" if fill == 1 else f"{fill:.3g} (0 black, 1 white)"
    border = str(settings.get("border", "zeros"))
    outside = _BORDERS.get(border, border).format(fill=shade)
    text = (
        f"What lies outside the frame is {outside} (border “{border}”). Pixels in between are"
        f" {settings.get('interpolation', 'bilinear')}; quarter turns, flips and whole-pixel shifts"
        " are exact, without interpolation."
    )
    if settings.get("table") == "search":
        text += " The table “search” sets its own fill, interpolation and shear centre."
    return text
