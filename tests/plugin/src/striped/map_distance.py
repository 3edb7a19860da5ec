"""Map distance: how far is f(T_g x) from T_g f(x), in units of both?

    distance = Σ (t − a)² / Σ (t² + a²)

over channels and positions. 0: equivariant; 1: unrelated maps of mean 0; 2: each the negative of
the other. Range [0, 2]; lower is more equivariant. NaN where both maps are zero.
"""

from torch import Tensor

from invariscope.metrics import MapMetric, MapStep


def per_image(step: MapStep) -> Tensor:
    """The distance of each image of a step."""
    moved, acted = step.transformed.positioned, step.acted.positioned
    apart = (moved - acted).square().sum((1, 2))
    return apart / (moved.square() + acted.square()).sum((1, 2))


MAP_DISTANCE = MapMetric(
    name="map_distance",
    label="Distance of maps",
    paragraph="How far the moved image’s maps lie from the moved maps, in units of both.",
    source="the striped package",
    direction="lower is more equivariant",
    low=0.0,
    high=2.0,
    ends=("another map", "the moved map"),
    at_identity=True,
    evaluate=per_image,
)
