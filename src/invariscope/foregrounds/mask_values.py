"""Decides what the values of mask files mean, once over several masks of a data set.

A mask file can be binary (0 and 1, 0 and 255), soft (grey values from background to foreground, as
of saliency or smoothed edges), or a label map, whose values name classes or instances. One file
does not tell: a label map may happen to show 0 and 1 only. So some masks are looked at together:

- Where values between the ends lie in flat areas, they are labels; where they change from pixel to
  pixel, they are grey. Palettes and colours are labels; 0, or black, is background.
- The top value (255, 65535) beside small labels is void, as on the outlines in Pascal VOC, and no
  foreground; so is its colour there.
- Alpha, where a mask file has one that varies, is the mask.

Nothing can tell an inverted mask from a picture full of things: where most of the frame's border is
foreground, a note says so, and ``values`` says which values are foreground.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

SAMPLE = 24
"""The number of masks that are examined together."""

_FLAT = 0.6  # of the pixels of a label have a right neighbour of the same
_SHOWN = 8
_OVERRIDE = "`values=[…]`"
_VOID_COLOUR = (224, 224, 192)  # index 255 of the palette of Pascal VOC
_BELOW_VOID = 64  # the smallest label beside a void
_MOST_OF_THE_BORDER = 0.6


@dataclass(frozen=True)
class Raw:
    """The pixels of a mask file as numbers.

    Attributes:
        values: [height, width]: grey values or labels, float64; colours as 0xRRGGBB, black 0.
        kind: "bits", "palette", "colours", "alpha", "lossy" (JPEG), "integers" or "floats".
    """

    values: np.ndarray
    kind: str


@dataclass(frozen=True)
class Reading:
    """The reading of the values of a data set's masks.

    Attributes:
        kind: "soft" (in shares of the top value) or "labels" (foreground or not).
        decision: It in words.
        notes: What may surprise, one line each.
        void: Labels that are neither background nor foreground.
        values: The labels that are foreground; empty: all but 0 and void.
        top: What is white in soft masks.
    """

    kind: str
    decision: str
    notes: tuple[str, ...] = ()
    void: frozenset[float] = frozenset()
    values: frozenset[float] = frozenset()
    top: float = 255.0

    def __call__(self, raw: Raw) -> np.ndarray:
        """Reads a mask as float32 [height, width] in [0, 1]."""
        if self.kind == "soft":
            return (raw.values / self.top).clip(0, 1).astype(np.float32)
        if self.values:
            return np.isin(raw.values, list(self.values)).astype(np.float32)
        foreground = raw.values > 0
        return (foreground & ~np.isin(raw.values, list(self.void))).astype(np.float32)


def raw_of(picture: Image.Image, *, lossy: bool = False) -> Raw:
    """Takes the numbers of a mask's picture; ``lossy`` where it comes from a JPEG file.

    Raises:
        ValueError: Floats outside [0, 1] that are no whole numbers.

    Example:
        >>> raw_of(Image.new("L", (2, 1), 7)).values.tolist()
        [[7.0, 7.0]]
    """
    if picture.mode == "1":
        return Raw(np.asarray(picture).astype(np.float64), "bits")
    if lossy:
        return Raw(np.asarray(picture.convert("L")).astype(np.float64), "lossy")
    if picture.mode == "P":
        return _of_palette(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() != alpha.max():
            return Raw(alpha.astype(np.float64), "alpha")
    if picture.mode in ("L", "I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.float64)
        if picture.mode != "F" or (values == np.rint(values)).all():
            return Raw(values, "integers")
        if not (values.min() >= 0 and values.max() <= 1):
            low, high = values.min(), values.max()
            raise ValueError(f"floats from {low:g} to {high:g}; in [0, 1], or whole numbers, work")
        return Raw(values, "floats")
    colours = np.asarray(picture.convert("RGB")).astype(np.int64)
    if (colours == colours[..., :1]).all():
        return Raw(colours[..., 0].astype(np.float64), "integers")
    return _of_colours(colours)


def decide(masks: Sequence[Raw], values: Sequence[int] | None = None) -> Reading:
    """Decides how the masks of a data set are read, from some of them.

    Args:
        masks: Some masks.
        values: The values that are foreground, where the user says so.

    Example:
        >>> labels = np.repeat(np.array([[0.0, 1, 2, 0]]), 4, axis=0).repeat(4, axis=1)
        >>> decide([Raw(labels, "integers")]).decision
        'values 0, 1, 2 are labels: every one but 0 is foreground'
    """
    seen = _seen(masks)
    if values is not None:
        chosen = frozenset(map(float, values))
        text = f"foreground is what has the value {_listed(chosen)}, as given"
        return Reading("labels", text, _unseen(chosen, seen), values=chosen)
    kinds = {mask.kind for mask in masks}
    top = _top(kinds, seen)
    if not kinds & {"colours", "palette"} and _is_soft(masks, kinds, seen, top):
        return _with_border(masks, Reading("soft", _soft_words(kinds, seen, top), top=top))
    void = _void(masks, kinds, seen, top)
    coloured = "colours" in kinds
    shown, skipped = _listed(seen, coloured), _listed(void, coloured)
    what = "colours" if coloured else "palette indices" if "palette" in kinds else "values"
    text = f"{what} {shown} are labels: every one but {'black' if coloured else 0}"
    text += f" and {skipped}, taken for void," if void else ""
    notes = ()
    if void:
        notes = (
            f"the mask value {skipped} beside other labels is taken for void, no foreground; "
            f"{_OVERRIDE} changes that",
        )
    if 0.0 not in seen:
        notes += (
            f"no mask has a pixel of value 0 (values {shown}): all is foreground; {_OVERRIDE} "
            "names what is",
        )
    return _with_border(masks, Reading("labels", f"{text} is foreground", notes, void))


def _of_palette(picture: Image.Image) -> Raw:
    """Indices; colours where a colour other than that of index 0 is the black one."""
    indices = np.asarray(picture)
    palette = np.array(picture.getpalette("RGB") or [], dtype=np.int64).reshape(-1, 3)
    used = [index for index in np.unique(indices).tolist() if index < len(palette)]
    black = [index for index in used if not palette[index].any()]
    if black and 0 not in black and palette[0].any():
        colours = palette[np.minimum(indices, len(palette) - 1)]
        if all(len(set(palette[index].tolist())) == 1 for index in used):
            return Raw(colours[..., 0].astype(np.float64), "integers")
        return _of_colours(colours)
    return Raw(indices.astype(np.float64), "palette")


def _of_colours(colours: np.ndarray) -> Raw:
    packed = (colours[..., 0] << 16) + (colours[..., 1] << 8) + colours[..., 2]
    return Raw(packed.astype(np.float64), "colours")


def _seen(masks: Sequence[Raw]) -> frozenset[float]:
    return frozenset(value for mask in masks for value in np.unique(mask.values).tolist())


def _top(kinds: set[str], seen: frozenset[float]) -> float:
    """Decides which value is white, from the largest that occurs."""
    largest = max(seen, default=0.0)
    if kinds <= {"floats", "bits"}:
        return 1.0
    return next((top for top in (255.0, 65535.0) if largest <= top), largest)


def _is_soft(masks: Sequence[Raw], kinds: set[str], seen: frozenset[float], top: float) -> bool:
    """Says whether values between the ends are grey: they change from pixel to pixel."""
    if kinds & {"floats", "alpha", "lossy"} or kinds == {"bits"}:
        return True
    if seen <= {0.0, 1.0}:
        return False
    if seen <= {0.0, top}:
        return True
    equal = total = 0
    for mask in masks:
        left, right = mask.values[:, :-1], mask.values[:, 1:]
        between = (left > 0) & (left < top)
        equal += int((between & (left == right)).sum())
        total += int(between.sum())
    return total > 0 and equal < _FLAT * total


def _void(
    masks: Sequence[Raw], kinds: set[str], seen: frozenset[float], top: float
) -> frozenset[float]:
    """The top value beside small labels, or its colour in Pascal VOC."""
    if "colours" in kinds:
        red, green, blue = _VOID_COLOUR
        colour = float((red << 16) + (green << 8) + blue)
        return frozenset({colour}) if colour in seen and len(seen - {0.0, colour}) else frozenset()
    smallest = min((value for value in seen if 0 < value < top), default=top)
    # Not where some files hold 0 and 1 and others 0 and 255: 255 is foreground there.
    beside = any((mask.values == top).any() and _has_inner(mask, top) for mask in masks)
    if smallest >= _BELOW_VOID or not beside:
        return frozenset()
    steps = np.diff(sorted(seen | {0.0}))
    even = len(steps) > 1 and np.ptp(steps) <= 2 and steps.min() > 2  # 0, 51, 102, …: spread out
    return frozenset() if even else frozenset({top})


def _has_inner(mask: Raw, top: float) -> bool:
    return bool(((mask.values > 0) & (mask.values < top)).any())


def _soft_words(kinds: set[str], seen: frozenset[float], top: float) -> str:
    if kinds == {"alpha"}:
        return "the alpha of the mask files is the mask"
    if kinds == {"lossy"}:
        return "the masks are JPEG files, whose brightness is the mask: label maps do not survive"
    if kinds == {"bits"} or seen <= {0.0, top}:
        return f"values 0 and {top:g} are background and foreground"
    return f"grey values from 0 to {top:g} are soft masks: the threshold cuts them"


def _with_border(masks: Sequence[Raw], reading: Reading) -> Reading:
    """Adds a note where most of the frame's border is foreground, as in an inverted mask."""
    shares = []
    for mask in masks:
        inside = reading(mask) > 0.5
        border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        shares.append(border.mean())
    full = sum(share > _MOST_OF_THE_BORDER for share in shares)
    if full <= len(shares) / 2:
        return reading
    note = (
        f"in {full} of {len(shares)} masks looked at most of the image's border is foreground: "
        f"if the background is what they mark, {_OVERRIDE} says which values are foreground"
    )
    return replace(reading, notes=(*reading.notes, note))


def _unseen(chosen: frozenset[float], seen: frozenset[float]) -> tuple[str, ...]:
    missing = chosen - seen
    if not missing:
        return ()
    return (f"no mask looked at has the value {_listed(missing)}; they have {_listed(seen)}",)


def _listed(values: frozenset[float], colours: bool = False) -> str:
    ordered = sorted(values)
    shown = [f"#{int(value):06x}" if colours else f"{value:g}" for value in ordered[:_SHOWN]]
    more = f", … {ordered[-1]:g}" if len(ordered) > _SHOWN and not colours else ""
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN and colours else more
    return ", ".join(shown) + more
