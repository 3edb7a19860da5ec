"""Explains the numbers of a run: its conventions in words, read from the manifest."""

from invariscope.report.kit.provenance import where_pixels_move
from invariscope.report.kit.words import capitalised, listed
from invariscope.report.run.meaning import Meaning
from invariscope.report.run.readings import Readings
from invariscope.results.estimated import stopped_by_itself
from invariscope.results.resampling import resampling_of
from invariscope.transformations import Resampling

_ENDS = (
    "over images (never over image × level pairs): means and ratios from what each image"
    " contributes, studentised by the bootstrap, seeded; shares without a normal law."
)
#: By whether the run stops once its intervals are short.
_INTERVALS = {
    False: f"95 % {_ENDS} Shares: Clopper and Pearson.",
    True: f"95 % confidence sequences, {_ENDS} They hold at every number of images at which a level"
    " might have stopped, so they are wider than intervals for one number. Each level was measured"
    " until its interval was short enough, so numbers of images differ.",
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
    settings = readings.settings
    measured = dict.fromkeys(str(metric) for metric in readings.overall["metric"])
    meanings = [readings.meaning(name) for name in measured]
    terms = [(about.label, _paragraph(about, readings)) for about in meanings]
    terms.append(("Where the transformations act", where_pixels_move(settings)))
    terms.append(
        (
            "Levels",
            f"Table “{settings.get('table', 'standard')}”. Level 0 is exactly the untouched image."
            " Positive angles turn counter-clockwise as seen on the screen; shifts are right and"
            " down; the centre is the image’s centre. “±” means that each image has its own"
            " direction, drawn from the seed and the image’s name.",
        )
    )
    terms.append(("Border and interpolation", _border(readings)))
    terms.append(
        (
            "Pairing",
            "“Another image” is the next image of the same block of"
            f" {settings.get('block_size', 32)}, in the run’s seeded order, and never the same"
            " image.",
        )
    )
    terms.append(
        (
            "Intervals",
            f"{_INTERVALS[stopped_by_itself(readings.manifest)]} The interval of a mean over levels"
            " is the mean of the levels’ interval ends, which is the cautious choice.",
        )
    )
    present = set(readings.overall["control"])
    terms.extend(about for name, about in _CONTROLS.items() if name in present)
    above = [about.phrase for about in meanings if about.null == "above 0"]
    if "shuffled" in present and above:
        term, text = _CONTROLS["shuffled"]
        except_for = f"near 0, except for {listed(above)}"
        terms[terms.index((term, text))] = (term, text.replace("near 0", except_for))
    parts = (
        "Early, Middle and Late are uniform thirds of the watched layers before global pooling;"
        " Pool lies right after it (the embedding), Final before softmax."
    )
    terms.append(("Parts", parts))
    return terms


def _paragraph(about: Meaning, readings: Readings) -> str:
    """Explains a metric; where its unit is that of the motion, with the units of the run."""
    if not about.paragraph:
        return f"{capitalised(about.direction)}."
    if about.unit != "derivative":
        return about.paragraph
    names: dict[str, list[str]] = {}
    for cell in readings.settings.get("cells", ()):
        if "derivative_unit" in cell:
            words = readings.words(cell["transformation"])
            names.setdefault(cell["derivative_unit"], []).append(words)
    units = "; ".join(f"{unit} for {listed(words)}" for unit, words in names.items())
    return f"{about.paragraph} Its unit is that of the motion, squared: {units}."


def _border(readings: Readings) -> str:
    names: dict[Resampling, list[str]] = {resampling_of(readings.settings): []}
    for transformation in readings.settings.get("resampling", {}):
        how = resampling_of(readings.settings, transformation)
        names.setdefault(how, []).append(readings.words(transformation))
    texts = [
        f"For {listed(own)}, {_outside(how)}" if own else capitalised(_outside(how))
        for how, own in names.items()
    ]
    exact = "Quarter turns, flips and whole-pixel shifts are exact, without interpolation."
    return " ".join([*texts, exact])


def _outside(how: Resampling) -> str:
    shades = {0.0: "black", 1.0: "white"}
    shade = shades.get(how.fill, f"{how.fill:.3g} (0 black, 1 white)")
    outside = _BORDERS[how.border].format(fill=shade)
    corner = "; motions are about the top-left corner" if how.centre == "corner" else ""
    return (
        f"what lies outside the frame is {outside} (border “{how.border}”), pixels in between are"
        f" {how.interpolation}{corner}."
    )
