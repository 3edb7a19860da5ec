"""Dead channels: the share of channels of a map that do not vary over its positions.

0: all are alive; 1: none is, so that no correlation of the image exists. Dead channels count in no
mean of the other metrics of maps; this one says how many those are. Where maps are compared, a
channel counts as dead if it is dead on either side.
"""

from invariscope.metrics.kinds import MapMetric, register

DEAD_CHANNELS = register(
    MapMetric(
        name="dead_channels",
        label="Dead channels",
        paragraph="The share of channels that are constant over the positions of an image; they"
        " have no correlation and count in no mean.",
        direction="share of channels without a value",
        low=0.0,
        ends=("all dead", "all alive"),
        role="dead",
        heat_map="",
        evaluate=lambda step: step.pearson[0].isnan().float().mean(1),
        identity=lambda maps: 1 - maps.alive.float().mean(1),
    )
)
