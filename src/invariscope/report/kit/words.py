"""The words of the report: what identifiers are called in a sentence, and how numbers read.

Identifiers stay what they are in tables and on the command line; sentences use these words.
"""

import math
import re
from collections.abc import Sequence

TRANSFORMATIONS = {
    "shear_x": "horizontal shear",
    "shear_y": "vertical shear",
    "rotate": "rotation",
    "translate_x": "horizontal shift",
    "translate_y": "vertical shift",
    "zoom_in": "zooming in",
    "zoom_out": "zooming out",
    "brightness_up": "brightening",
    "brightness_down": "darkening",
    "contrast_up": "more contrast",
    "contrast_down": "less contrast",
    "posterize": "posterizing",
    "solarize": "solarizing",
    "saturation": "changed saturation",
    "color": "changed saturation",
    "sharpness": "changed sharpness",
    "autocontrast": "automatic contrast",
    "equalize": "histogram equalization",
    "invert": "colour inversion",
    "rescale": "rescaling",
    "flip_horizontal": "horizontal flip",
    "flip_vertical": "vertical flip",
    "blur": "blur",
    "hue": "changed hue",
}

METRICS = {
    "relative_invariance": "Relative invariance",
    "relative_invariance:l2": "Relative invariance (l2)",
    "mean_relative_invariance": "Mean relative invariance",
    "mean_relative_invariance:l2": "Mean relative invariance (l2)",
    "prediction_consistency": "Prediction kept",
    "accuracy": "Accuracy",
    "response_alignment": "Response alignment",
    "class_distance_ratio": "Class distance ratio",
    "latent_eed": "Latent G-EED",
    "latent_eed:cosine": "Latent G-EED (cosine)",
    "softmax_eed": "Softmax G-EED",
    "channel_eed": "Channelwise G-EED",
    "normalized_variance": "Normalised variance",
    "channel_invariance": "Channel invariance",
    "channel_equivariance": "Channel equivariance",
    "channel_invariance:pooled": "Channel invariance over the data set",
    "channel_equivariance:pooled": "Channel equivariance over the data set",
    "channel_invariance:cosine": "Channel invariance (cosine)",
    "channel_equivariance:cosine": "Channel equivariance (cosine)",
    "channel_invariance:literal": "Channel invariance (maps not moved)",
    "dead_channels": "Dead channels",
    "lie_derivative": "Lie derivative",
    "lie_derivative:relative": "Lie derivative (relative)",
    "lie_derivative:softmax": "Lie derivative of the probabilities",
}

_SHIFT = re.compile(r"shift(_x|_y)?\((-?\d+)(?:\.\.(-?\d+)(?::(\d+))?)?\)")
_TURNS = re.compile(r"([CD])\d+")


def transformation_words(name: str) -> str:
    """What a transformation is called in a sentence.

    Example:
        >>> transformation_words("rotate"), transformation_words("my_warp")
        ('rotation', 'my warp')
        >>> transformation_words("C4"), transformation_words("shift_x(0..32:8)")
        ('turns of C4', 'horizontal shift by 0 to 32 px in steps of 8')
        >>> transformation_words("C4*flip")
        'elements of C4*flip'
    """
    if name == "flip":
        return "horizontal flip"
    if turns := _TURNS.fullmatch(name):
        return f"turns of {name}" if turns[1] == "C" else f"turns and flips of {name}"
    if shift := _SHIFT.fullmatch(name):
        axis = {None: "diagonal", "_x": "horizontal", "_y": "vertical"}[shift[1]]
        far = f" to {shift[3]}" if shift[3] else ""
        step = f" in steps of {shift[4]}" if shift[4] and shift[4] != "1" else ""
        return f"{axis} shift by {shift[2]}{far} px{step}".replace("-", "−")
    if "*" in name:
        return f"elements of {name}"
    return TRANSFORMATIONS.get(name, name.replace("_", " "))


def metric_words(name: str) -> str:
    """What a metric is called on an axis.

    Example:
        >>> metric_words("prediction_consistency"), metric_words("my_metric")
        ('Prediction kept', 'My metric')
    """
    return METRICS.get(name) or name.replace("_", " ").capitalize()


def metric_phrase(name: str) -> str:
    """What a metric is called within a sentence.

    Example:
        >>> metric_phrase("latent_eed"), metric_phrase("accuracy")
        ('latent G-EED', 'accuracy')
    """
    words = metric_words(name)
    return words if words.startswith("Lie ") else words[:1].lower() + words[1:]


def capitalised(text: str) -> str:
    """The text with a capital first letter, the others as they are.

    Example:
        >>> capitalised("turns of C4")
        'Turns of C4'
    """
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str]) -> str:
    """The words as an English list.

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def number(value: float, digits: int = 2) -> str:
    """A number as the report writes it: fixed digits, a true minus, an en dash where undefined.

    Example:
        >>> number(0.314), number(-0.2), number(float("nan")), number(-0.001)
        ('0.31', '−0.20', '–', '0.00')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """A number with its 95 % interval, or with the statement that there is none.

    Example:
        >>> with_interval(0.314, 0.25, 0.38), with_interval(0.5, float("nan"), float("nan"))
        ('0.31 [0.25, 0.38]', '0.50 (no interval)')
    """
    if value is None or not math.isfinite(value):
        return "undefined"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{number(value, digits)} (no interval)"
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def percent(value: float) -> str:
    """A share in per cent, rounded to the whole number.

    Example:
        >>> percent(0.9142).split(), percent(float("nan"))
        (['91', '%'], '–')
    """
    return "–" if not math.isfinite(value) else f"{100 * value:.0f}\u00a0%"


UNITS = {
    "°": "degrees",
    "of the side": "per cent of the image’s side",
    "×": "factor",
    "bits": "bits per channel",
    "threshold": "threshold; pixels above it are inverted",
    "of the circle": "share of the colour circle",
    "element": "element of the group",
    "": "applied or not",
}


def magnitude_text(magnitude: float, unit: str) -> str:
    """A level's magnitude with its unit, short enough for a tick label.

    Example:
        >>> magnitude_text(40.0, "°"), magnitude_text(3.0, "bits"), magnitude_text(1.0, "")
        ('40°', '3 bits', 'on')
        >>> magnitude_text(1 / 18, "of the side"), magnitude_text(1.5, "×")
        ('5.6 %', '×1.5')
    """
    if magnitude is None or not math.isfinite(magnitude):
        return unit or "–"
    if unit == "":
        return "on" if magnitude else "off"
    if unit == "of the side":
        return f"{100 * magnitude:.2g} %".replace("-", "−").replace("1e+02", "100")
    if unit == "element":
        return f"element {magnitude:.0f}"
    short = f"{magnitude:.3g}".replace("-", "−")
    if unit in ("degrees", "°"):
        return f"{short}°"
    if unit in ("factor", "×"):
        return f"×{magnitude:.2f}" if len(short) > 4 else f"×{short}"
    if unit in ("threshold", "of the circle"):
        return f"{magnitude:.2g}"
    return f"{short} {unit}".strip()


def images_counted(count: int) -> str:
    """A number of images, in words.

    Example:
        >>> images_counted(1), images_counted(5000)
        ('1 image', '5,000 images')
    """
    return "1 image" if count == 1 else f"{count:,} images"
