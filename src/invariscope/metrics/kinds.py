"""The four kinds of metrics in a sweep: of vectors, of orbits, of feature maps, of derivatives.

A metric is a name, a function, and its own words: what it is called, which way is better, what its
ends mean. The words go into the manifest of a run, where its pages read them. A kind fixes what the
function is given:

- `VectorMetric`: the vectors of a layer, of a block's images and of several cells of them;
- `OrbitMetric`: those of all elements of a group, or all levels of a transformation, at once;
- `MapMetric`: the feature maps f(T_g x) and T_g f(x) of a step (`channel_products.MapStep`);
- `DerivativeMetric`: the Lie derivative of a layer at the identity.

Another package offers one through the entry-point group ``invariscope.metrics``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from torch import Tensor

from invariscope.metrics.channel_products import ChannelMaps, Form, MapStep
from invariscope.registry import Registry

#: How a direction begins that says which way is better.
HIGHER, LOWER = "higher is more ", "lower is more "
INVARIANT = f"{HIGHER}invariant"
EQUIVARIANT = f"{HIGHER}equivariant"
DEVIATES = f"{LOWER}invariant"
BREAKS = f"{LOWER}equivariant"

#: Values, and their weights where the metric is a ratio of sums (None: all weigh the same).
Weighted = tuple[Tensor, Tensor | None]
#: (reference [N, D], transformed [cell, N, D], pairing [N], labels [N] or None) to [cell, N].
OfVectors = Callable[[Tensor, Tensor, Tensor, Tensor | None], Weighted]
#: The orbit [element, N, D], the identity first, to [element, N].
OfOrbit = Callable[[Tensor], Weighted]
#: What a layer says of a batch [N, …] and its Lie derivative [N, …] to a square per image [N].
Squares = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its name, its words, and how its values are read.

    Args:
        name: The name in the table and on the command line.
        label: What it is called on an axis or as a heading.
        phrase: What it is called within a sentence; the label with a small letter by default.
        paragraph: What it is, in a few sentences, for the conventions of a page.
        source: Where it was published.
        direction: Which way is better: "higher is more …", "lower is more …"; a metric with
            another text is a count, which no verdict rests on.
        low: The lower end of its range (None: unbounded).
        high: The upper end of its range (None: unbounded).
        ends: What the worst and the best end of its scale mean, in a few words.
        at: Where it is measured: at all "layers", or at the "logits" alone.
        needs: What it does not exist without: "targets" (the model's outputs that stand for the
            labels), "classes" (the labels themselves), or a "group".
        estimate: How the value of a cell follows from its rows, and how far one image moves it: one
            of `invariscope.statistics.estimates.KINDS`.
        paired: Whether an image's value depends on the next image of its block as well.
        at_identity: Whether level 0 belongs to its mean over levels.
        unit: Which unit stands beside its values: that of the transformation's "level", that of the
            "derivative" (per squared unit of the generator), or "none".
        brings: Metrics that are measured with it.
        role: What pages look for: the "headline", the shares of predictions that are "kept" and
            "right", and of channels that are "dead".
        heat_map: Whether a page shows its values layer by layer and element by element: as one of
            the "main" heat maps, "beside" them, or not.
        null: What unrelated images score where it has a null, by the control "shuffled": a value
            "near 0" or "above 0"; "" without a null.
    """

    name: str
    label: str
    paragraph: str
    phrase: str = ""
    source: str = ""
    direction: str = INVARIANT
    low: float | None = None
    high: float | None = 1.0
    ends: tuple[str, str] = ("", "")
    at: Literal["layers", "logits"] = "layers"
    needs: Literal["", "targets", "classes", "group"] = ""
    estimate: str = "mean"
    paired: bool = False
    at_identity: bool = False
    unit: Literal["level", "derivative", "none"] = "level"
    brings: tuple[str, ...] = ()
    role: Literal["", "headline", "kept", "right", "dead"] = ""
    heat_map: Literal["", "main", "beside"] = ""
    null: Literal["", "near 0", "above 0"] = ""

    kind: ClassVar[str]
    detail: ClassVar[str] = ""

    @property
    def pooled(self) -> bool:
        """Says whether its rows are pseudo-values of a number over the whole data set."""
        return False

    @property
    def where(self) -> str:
        """The layers at which it is measured, in words."""
        layers = "the logits" if self.at == "logits" else "every layer"
        needs = {"": "", "group": ", needs a group"}.get(self.needs, ", needs labels")
        return layers + self.detail + needs

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the manifest of a run: its words, and how to read its values."""
        return {
            "kind": self.kind,
            "label": self.label,
            "phrase": self.phrase or self.label[:1].lower() + self.label[1:],
            "paragraph": self.paragraph,
            "source": self.source,
            "direction": self.direction,
            "range": [self.low, self.high],
            "ends": list(self.ends),
            "needs": self.needs,
            "estimate": self.estimate,
            "paired": self.paired,
            "pooled": self.pooled,
            "at_identity": self.at_identity,
            "unit": self.unit,
            "role": self.role,
            "heat_map": self.heat_map,
            "null": self.null,
        }


@dataclass(frozen=True, kw_only=True)
class VectorMetric(Metric):
    """A metric of a layer's vectors for an image and for the transformed image.

    Args:
        evaluate: Its values of several cells at once.
        multilabel: Its form where an image may have several labels; None: it has none there.
    """

    evaluate: OfVectors
    multilabel: OfVectors | None = None

    kind = "vectors"


@dataclass(frozen=True, kw_only=True)
class OrbitMetric(Metric):
    """A metric of all elements of a group, or all levels of a transformation, at once.

    Args:
        evaluate: Its values, element by element.
    """

    evaluate: OfOrbit

    kind = "orbit"


@dataclass(frozen=True, kw_only=True)
class MapMetric(Metric):
    """A metric of feature maps, compared inside the hooks at every layer that has positions.

    Args:
        evaluate: Its value of each image of a step; None for a number over the data set.
        identity: Its values of images that do not move, from their maps: what `evaluate` says of
            maps and the same maps, without the products. None: ask `evaluate`.
        over_data: For a number over the data set, which of those that `ChannelCorrelation` has.
        controls: Whether it is measured for the controls, too.
    """

    evaluate: Callable[[MapStep], Tensor] | None = None
    identity: Callable[[ChannelMaps], Tensor] | None = None
    over_data: Form | None = None
    controls: bool = True
    heat_map: Literal["", "main", "beside"] = "main"

    kind = "maps"
    detail = ", channel by channel"

    @property
    def pooled(self) -> bool:
        """Says whether its rows are pseudo-values of a number over the whole data set."""
        return self.over_data is not None


@dataclass(frozen=True, kw_only=True)
class DerivativeMetric(Metric):
    """A metric of how fast a layer begins to change under a transformation, at level 0.

    Args:
        squares: A square per image of a batch.
        relative: The values of a block from its squares [N], the squared spread of the layer over
            the block's images, and the same of the pixels; None: the squares themselves.
    """

    squares: Squares
    relative: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None

    kind = "derivative"
    detail = ", level 0"


METRICS: Registry[Metric] = Registry("metric", "invariscope.metrics")

M = TypeVar("M", bound=Metric)


def register(metric: M) -> M:
    """Makes a metric known by its name, and gives it back."""
    METRICS.add(metric.name, metric)
    return metric
