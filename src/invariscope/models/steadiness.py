"""Checks that a model holds still: the same picture gives the same numbers in any company.

Three small passes over the first pictures tell, before anything is measured: A and B over the same
batch, C over some of it in another order. What they say is compared with the distance between the
pictures themselves, at the embedding and the logits:

- A ≠ B: the model is random in eval mode, or its state moves while it runs;
- A = B, and yet it drew random numbers: other passes may differ;
- A ≠ C: what an image gives depends on the other images of its batch;
- A is not finite, or the same for different pictures: its numbers mean nothing.

Rounding is no finding: kernels add up in another order for another batch size. A difference counts
from a thousandth of the distance between pictures on, and if it is beyond what pictures changed by
their last bit do to the outputs. Only where something was found, passes with hooks on all modules
say where it begins. The process's random generators are put back.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from invariscope.errors import RunError, first_line, first_of
from invariscope.models.events import Event, first_difference, recorded
from invariscope.models.held_state import changed_in, state_of
from invariscope.models.layers import EMBEDDING, LOGITS
from invariscope.models.probe import Probe
from invariscope.models.wobble import Wobble, apart_by, distance_between, widest
from invariscope.randomness import watched_generators

PICTURES = 4
"""The most pictures that the passes are over."""

_MATTERS = 1e-3  # of the distance between pictures
_ROUNDINGS = 8  # times what the last bit does
_TF32 = 1e-3  # what accelerators may round float32 to
_HALF_LARGEST = 65504


class _Moving(Exception):
    """A pass fails, or gives another shape, where the first one did not."""


def unsteady(probe: Probe, images: Float[Tensor, "image band height width"]) -> tuple[str, ...]:
    """Finds what does not hold still about a model, one line each; () for a steady model.

    Args:
        probe: The model.
        images: Two or more pictures in [0, 1] at the input resolution; `PICTURES` at most are used.

    Example:
        >>> from invariscope.models import load_model
        >>> class Dropping(nn.Module):
        ...     def forward(self, x):
        ...         return nn.functional.dropout(x.flatten(1))
        >>> (line,) = unsteady(load_model(Dropping()), torch.rand(4, 3, 4, 4))
        >>> line.partition(":")[0]
        'the model is random in eval mode'
        >>> unsteady(load_model(nn.Flatten()), torch.rand(4, 3, 4, 4))
        ()
    """
    pictures = images[:PICTURES]
    if len(pictures) < 2:
        return ()
    try:
        with watched_generators(probe.device) as drawn:
            return tuple(_Check(probe, pictures, drawn).lines())
    except torch.OutOfMemoryError:
        return (
            f"whether the model holds still was not checked: {len(pictures)} images at a time take "
            "too much memory",
        )


class _Check:
    """The passes over some pictures, and what they say."""

    def __init__(self, probe: Probe, pictures: Tensor, drawn: Callable[[], list[str]]):
        self.probe, self.pictures, self.drawn = probe, pictures, drawn
        logits = [] if probe.num_outputs is None else [LOGITS]
        self.layers = [EMBEDDING, *logits]

    def lines(self) -> list[str]:
        """The findings."""
        state = state_of(self.probe.networks)
        try:
            first = self.run(self.pictures)
        except RunError as problem:
            return [f"the model fails on {len(self.pictures)} images at a time: {problem}"]
        if not all(vector.isfinite().all() for vector in first.values()):
            return [self.not_finite(first)]
        try:
            moved = self.moves(first, state)
            return [*self.constant(first), *(moved or self.mixes(first))]
        except _Moving as problem:
            return [str(problem)]

    def run(self, pictures: Tensor) -> dict[str, Tensor]:
        """The vectors of a pass."""
        return self.probe.forward(pictures, self.layers).vectors

    def again(self, pictures: Tensor, first: dict[str, Tensor], what: str) -> dict[str, Tensor]:
        """Runs a later pass; raises `_Moving` where it gives no vectors of the same width."""
        try:
            vectors_again = self.run(pictures)
        except torch.OutOfMemoryError:
            raise
        except (RunError, RuntimeError) as problem:  # a layer of another shape is no RunError
            reason = first_line(problem)
            raise _Moving(
                f"the model runs on the first images, but {what} fails ({reason}); one "
                "whose layers keep their shapes works"
            ) from problem
        for layer in self.layers:
            widths = [vectors[layer].shape[1] for vectors in (first, vectors_again)]
            if widths[0] != widths[1]:
                raise _Moving(
                    f"the {layer} has {widths[0]} elements in one pass and {widths[1]} in {what}: "
                    "its width changes with the images of a batch, so images cannot be compared; "
                    "a model with outputs of one width works"
                )
        return vectors_again

    def moves(self, first: dict[str, Tensor], state: dict[str, Any]) -> list[str]:
        """Compares A and B: randomness and moving state."""
        second = self.again(self.pictures, first, "a second pass over the same images")
        wobble = widest(first, second)
        drawn, changed = self.drawn(), changed_in(state, state_of(self.probe.networks))
        matters = wobble.share > _MATTERS and self.beyond_rounding(wobble)
        if matters or (drawn and wobble.apart > 0):
            if changed and not drawn:
                return [_state_line(changed, f"; two passes differ {wobble.words}")]
            where = self.where(self.pictures, lambda rows: rows)
            return [
                "the model is random in eval mode: two passes over the same images differ "
                f"{wobble.words}{where}; no smaller change can be told from that; switch dropout, "
                "masking or sampling off in its forward where it is not training"
            ]
        if drawn:
            return [
                f"the model draws random numbers in eval mode (from {' and '.join(drawn)}), though "
                "two passes over the first images agree: later passes may differ; switch sampling "
                "off in its forward where it is not training"
            ]
        return [_state_line(changed, "")] if changed else []

    def mixes(self, first: dict[str, Tensor]) -> list[str]:
        """Compares A and C: dependence on the other images of the batch."""
        if _same_pictures(self.pictures):
            return []
        if len(self.pictures) > 2:
            order = [1, 0]
        else:  # each alone would be a batch of one, which is refused by some
            order = [1, 1]
        third = self.again(self.pictures[order], first, "another batch")
        wobble = widest({layer: first[layer][order] for layer in first}, third, first)
        if wobble.share <= _MATTERS or not self.beyond_rounding(wobble):
            return []
        last_bit = self.run(_nudged(self.pictures, self.precision()))
        nudged = apart_by(first[wobble.layer], last_bit[wobble.layer])
        if wobble.apart <= _ROUNDINGS * nudged:
            return []
        where = self.where(self.pictures[order], lambda rows: rows[order])
        return [
            "what an image gives depends on the other images of its batch: in another batch it "
            f"differs {wobble.words}{where}; numbers change with batch_size and with what is "
            "measured beside; running statistics or a normalisation by image makes it hold still, "
            "batch_size=1 keeps images apart"
        ]

    def constant(self, first: dict[str, Tensor]) -> list[str]:
        """Finds vectors that are the same for different pictures."""
        if _same_pictures(self.pictures):
            return []
        layers_of: dict[str, list[str]] = {}
        for layer, vectors in first.items():
            size, between = float(vectors.norm(dim=1).max()), distance_between(vectors)
            if size == 0:
                text = f"all of the first {len(vectors)} images give 0"
            elif between <= self.precision() * size:
                rest = f" but for rounding ({between / size:.0e} of its length)" if between else ""
                text = f"different images give the same{rest}"
            else:
                continue
            layers_of.setdefault(text, []).append(layer)
        return [
            f"{text} at the {' and the '.join(layers)}: numbers there say nothing; look at the "
            "weights (are they loaded?) and at the preprocessing"
            for text, layers in layers_of.items()
        ]

    def not_finite(self, first: dict[str, Tensor]) -> str:
        """Says where NaN or infinity comes from."""
        layer = next(name for name in first if not first[name].isfinite().all())
        count = int((~first[layer].isfinite().all(dim=1)).sum())
        kind = "NaN" if first[layer].isnan().any() else "infinity"
        text = f"{count} of the first {len(self.pictures)} images give {kind} at the {layer}"
        batch = self.probe.preprocessing.normalise(self.pictures)
        if not batch.isfinite().all():
            return f"{text}: so are the normalised images; look at mean and std of preprocessing"
        with recorded(self.probe.networks, len(self.pictures)) as events:
            self.run(self.pictures)
        start = next((number for number, event in enumerate(events) if not event.finite), None)
        if start is None:
            return f"{text}; a model that gives finite numbers for these images works"
        event = events[start]
        return f"{text}: it begins {event.where}, {_cause_of_nan(event, events[:start])}"

    def beyond_rounding(self, wobble: Wobble) -> bool:
        """Says whether a difference is more than the last bit of the outputs."""
        return wobble.apart > self.precision() * wobble.size

    def precision(self) -> float:
        """The relative rounding of the coarsest floating-point type of the model."""
        types = {p.dtype for net in self.probe.networks for p in net.parameters()}
        roundings = [torch.finfo(dtype).eps for dtype in types if dtype.is_floating_point]
        rounding = max([*roundings, torch.finfo(torch.float32).eps])
        return max(rounding, _TF32) if self.probe.device.type != "cpu" else rounding

    def where(self, others: Tensor, rows: Callable[[Tensor], Tensor]) -> str:
        """Says where two passes first differ; "" where that cannot be seen."""
        passes: list[list[Event]] = []
        for pictures in (self.pictures, others):
            with recorded(self.probe.networks, len(pictures)) as events:
                self.run(pictures)
            passes.append(events)
        coarsest = max((torch.finfo(event.dtype).eps for event in passes[0]), default=0.0)
        events_apart = first_difference(passes[0], passes[1], max(1e-4, 4 * coarsest), rows)
        if events_apart is None:
            return ""
        first, second = events_apart
        text = f", first {first.where}"
        if first.shape[1:] != second.shape[1:]:
            text += f", which changes from {list(first.shape)} to {list(second.shape)}"
        return text + _cause(first.module)


def _cause(module: nn.Module) -> str:
    """Says why a module itself does not hold still."""
    if getattr(module, "track_running_stats", True) is False:
        return ", which normalises by the batch: track_running_stats=False"
    return ", which is in training mode: call eval() before" if module.training else ""


def _cause_of_nan(event: Event, before: Sequence[Event]) -> str:
    own = [*event.module.named_parameters(), *event.module.named_buffers()]
    broken = [
        name for name, value in own if value.is_floating_point() and not value.isfinite().all()
    ]
    if broken:
        return f"whose weights are not finite ({event.name}.{broken[0]}): load other weights"
    largest = max((known.largest for known in before if known.finite), default=0.0)
    if torch.float16 in (event.dtype, *(known.dtype for known in before[-1:])):
        return (
            f"an overflow of half precision, which ends at {_HALF_LARGEST} (the largest number "
            f"before is {largest:.3g}): use model.float(), or bfloat16"
        )
    return (
        f"from finite weights and inputs (up to {largest:.3g}): a division by 0, or a root or "
        "logarithm of what has none"
    )


def _state_line(changed: list[str], rest: str) -> str:
    parts = first_of([repr(name) for name in changed], 1)
    return (
        f"the model changes while it runs: {parts} moves in a pass (test-time "
        f"adaptation, running statistics){rest}; numbers depend on what was measured before; "
        "freeze it to measure it"
    )


def _same_pictures(pictures: Tensor) -> bool:
    return bool((pictures == pictures[:1]).all())


def _nudged(pictures: Tensor, rounding: float) -> Tensor:
    """The pictures with each number, and each picture as a whole, up or down by its last bit."""
    draw = torch.Generator().manual_seed(0)
    single = torch.randint(2, pictures.shape, generator=draw)
    whole = torch.arange(len(pictures)).remainder(2)[:, None, None, None]
    steps = (2.0 * single + 2.0 * whole - 2.0).to(pictures.device)
    return (pictures * (1 + rounding * steps)).clamp(0, 1)
