"""A model with its own preprocessing and the layers that are being watched."""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from invariscope.errors import InputError, InvariscopeError, RunError
from invariscope.models.activations import Vector, average_pool
from invariscope.models.answer import leaf_at
from invariscope.models.behind import modules_behind, unmoved, words_on
from invariscope.models.capture import Reducer, ReducerFailed, Tap, capture
from invariscope.models.classes import imagenet_class_ids
from invariscope.models.embedding import tapped_head
from invariscope.models.failures import first_line, what_would_work
from invariscope.models.fields import Fields, checked_declaration
from invariscope.models.layers import EMBEDDING, LOGITS, OUTPUT, Layer, layer_names, select_layers
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.trace import Trace, Wishes, trace
from invariscope.registry import unknown_name

_PREDICT_BATCH = 32
# Where a model says nothing about its input: large enough for every stride in use.
_DEFAULT_SIDE = 224


@dataclass(frozen=True)
class Outputs:
    """What one forward pass gave.

    Args:
        vectors: What the reducer made of each layer, by name: [image, element] in float32 with the
            default reducer, on the probe's device, detached. They are inference tensors: an
            in-place operation on them works in ``torch.inference_mode`` only.
    """

    vectors: dict[str, Any]


class Probe:
    """A model that is being measured.

    Args:
        model: The model; a plain callable has only an embedding and logits. It is put into eval
            mode. `load_model` hands over a copy of the user's module, never the module itself.
        preprocessing: What its images need.
        spec: What the user wrote, or a name for an object.
        fresh: Makes the same architecture with random weights from a seed; None where the only way
            is to reset a copy.
        imagenet: Whether 1000 outputs are the classes of ImageNet-1k in their usual order.
        fields: For layers whose channels a rotation permutes: their names or globs, each with the
            order n of the rotations C_n, or with `Fields` where some channels stay.
        wishes: What the user says of task, embedding and output; what is left out is seen.
        decisions: What loading has decided, a sentence by subject, for `decisions`.
        warnings: What loading has found that may surprise, one line each.

    Example:
        >>> model = nn.Sequential(
        ...     nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
        ... )
        >>> probe = Probe(model, Preprocessing(size=(8, 8)), "toy")
        >>> images = torch.rand(2, 3, 8, 8)
        >>> [layer.name for layer in probe.watch("auto", images)]
        ['0', 'embedding', 'logits']
        >>> probe.forward(images, ["0", "logits"]).vectors["logits"].shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        model: nn.Module | Callable[..., Any],
        preprocessing: Preprocessing,
        spec: str,
        *,
        fresh: Callable[[int], nn.Module] | None = None,
        imagenet: bool = False,
        fields: Mapping[str, int | Fields] | None = None,
        wishes: Wishes | None = None,
        decisions: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
    ):
        self._wishes = wishes or Wishes()
        self._behind = modules_behind(model)
        self._decided = {**words_on(model, self._behind), **(decisions or {})}
        self.warnings = tuple(warnings)
        self._declared = checked_declaration({} if fields is None else fields)
        self.spec = spec
        self.preprocessing = preprocessing
        self.module: nn.Module | None = model.eval() if isinstance(model, nn.Module) else None
        self._call: Callable[..., Any] = model
        self._fresh = fresh
        self._imagenet = imagenet
        self._traces: dict[tuple[int, int, int], Trace] = {}
        first = None if self.module is None else next(self.module.parameters(), None)
        self.device = torch.device("cpu") if first is None else first.device
        self._dtype = (
            first.dtype if first is not None and first.is_floating_point() else torch.float32
        )
        # Channels-last is the fast memory format of convolutions, on CPUs and on GPUs.
        self._channels_last = self.module is not None and any(
            isinstance(part, nn.Conv2d) for part in self.module.modules()
        )
        self._lay_out()

    def __repr__(self) -> str:
        return f"Probe({self.spec!r}, device={str(self.device)!r})"

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over the state dict (sorted names, types, shapes, bytes); "" for a callable."""
        return "" if self.module is None else hash_state(self.module.state_dict())

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """The modules that run in a pass: the model, and those that a callable reaches."""
        return (() if self.module is None else (self.module,)) + self._behind

    @property
    def num_outputs(self) -> int | None:
        """Number of logits; None where the answer is no class scores."""
        return self._any_trace().num_outputs

    @property
    def task(self) -> str:
        """What the answer is, one of `invariscope.models.answer.TASKS`."""
        return self._any_trace().answer.task

    @property
    def class_ids(self) -> tuple[str, ...] | None:
        """WordNet ids of the logits, when they are known to be the classes of ImageNet-1k."""
        known = self._imagenet and self.num_outputs == 1000
        return imagenet_class_ids() if known else None

    def decisions(self, example: Float[Tensor, "image band height width"]) -> dict[str, str]:
        """What was decided about this model, a sentence by subject: for the manifest of a run.

        Args:
            example: One or two images in [0, 1] at the input resolution.
        """
        seen = self._trace(example)
        return {**seen.decisions(), **self._decided, "preprocessing": self.preprocessing.source}

    def doubts(self, example: Float[Tensor, "image band height width"]) -> list[str]:
        """What may surprise about this model, one line each: for the warnings of a run."""
        seen = self._trace(example)
        doubts = (seen.answer.doubt, seen.embedding.doubt)
        return [*self.warnings, *(line for line in doubts if line)]

    def to(self, device: str | torch.device) -> "Probe":
        """Moves the model; returns the probe itself."""
        self.device = torch.device(device)
        if self.module is not None:
            try:
                self.module.to(self.device)
            except (RuntimeError, AssertionError) as error:
                raise InputError(
                    f"device {str(device)!r} does not work ({first_line(error)}); cpu works"
                ) from error
        self._lay_out()
        return self

    def with_preprocessing(self, preprocessing: Preprocessing) -> "Probe":
        """The same model, not a copy of it, with other preprocessing."""
        other = copy.copy(self)
        other.preprocessing, other._traces = preprocessing, {}
        return other

    def with_said(self, decisions: Mapping[str, str], warnings: Sequence[str]) -> "Probe":
        """The same model, not a copy of it, with more that was decided or may surprise."""
        other = copy.copy(self)
        other._decided = {**self._decided, **decisions}
        other.warnings = (*self.warnings, *warnings)
        return other

    def for_bands(self, bands: int) -> "Probe":
        """The same model for pictures of so many bands, where it does not say what it takes."""
        if self.preprocessing.channels is not None:
            return self
        other = self.with_preprocessing(self.preprocessing.override({"channels": bands}, by=""))
        if bands == 3:
            return other
        line = f"nothing says how many channels the model takes: it is shown the {bands} bands"
        return other.with_said({"channels": f"{line} of the pictures"}, [])

    def with_fields(self, fields: Mapping[str, int | Fields]) -> "Probe":
        """The same model, not a copy of it, with other declared fields."""
        other = copy.copy(self)
        other._declared = checked_declaration(fields)
        return other

    def with_wishes(self, wishes: Wishes) -> "Probe":
        """The same model, not a copy of it, with what the user says of task and embedding."""
        other = copy.copy(self)
        other._wishes, other._traces = wishes, {}
        return other

    def watch(
        self,
        selection: str | Sequence[str] | None,
        example: Float[Tensor, "image band height width"],
    ) -> tuple[Layer, ...]:
        """The layers of a selection, in the order of execution.

        Args:
            selection: "auto" (also None), "last" (the last layer before pooling), a dotted name, a
                glob, a list of these with commas or as a sequence.
            example: One or two images in [0, 1] at the input resolution, for the dry run.

        Returns:
            The chosen layers; "embedding" and, where there are logits, "logits" are always there.

        Raises:
            InputError: A name that fits no layer, declared fields that do not fit a layer's
                channels, or a model that fails on the images.
        """
        return select_layers(selection, self.module, self._trace(example), self._declared)

    def layer_names(self, example: Float[Tensor, "image band height width"]) -> tuple[str, ...]:
        """Every name that `watch` accepts, in the order of execution."""
        return layer_names(self._trace(example))

    def forward(
        self,
        images: Float[Tensor, "image band height width"],
        layers: Sequence[str],
        reduce: Reducer = average_pool,
    ) -> Outputs:
        """Normalises the images, runs the model once and reduces the layers inside their hooks.

        Args:
            images: The bands in [0, 1] at the input resolution, after the transformation.
            layers: Names from `watch`.
            reduce: Called with (layer name, activation) while the activation is there; embedding
                and logits come as `Vector`, already pooled. Must return a new tensor, not a view.

        Raises:
            InputError: A name that is no layer.
            RunError: The model fails. Running out of memory is raised unchanged.
        """
        seen = self._trace(images)
        with torch.inference_mode():
            return Outputs(self._observe(images, layers, reduce, seen))

    def predict(self, images: Any) -> Float[Tensor, "image element"]:
        """Logits of images after the model's own preprocessing.

        Args:
            images: A PIL image, a sequence of PIL images, uint8 [image, height, width, 3], or uint8
                or float (in [0, 1]) [image, 3, height, width], as a tensor or an array; for a model
                of another number of channels, that number instead of 3.

        Returns:
            [image, class], float32, on the probe's device.

        Raises:
            InputError: Images of another form, or a model without logits.
        """
        known = {1, 3, self.preprocessing.channels or 3}
        pictures = [self.preprocessing.geometry(picture) for picture in _as_images(images, known)]
        batches = []
        for start in range(0, len(pictures), _PREDICT_BATCH):
            chunk = pictures[start : start + _PREDICT_BATCH]
            if len({picture.shape for picture in chunk}) > 1:
                raise InputError(
                    "images: sizes differ and the model's preprocessing has none; "
                    "give preprocessing={'size': …} to load_model"
                )
            batch = torch.stack([_unit_range(picture) for picture in chunk])
            if self._trace(batch).num_outputs is None:
                raise InputError(f"model {self.spec} has no logits to predict with")
            batches.append(self.forward(batch, [LOGITS]).vectors[LOGITS])
        return torch.cat(batches)

    @property
    def starts(self) -> str:
        """How the weights of an untrained model were drawn; "" for any other."""
        return self._decided.get("twin", "")

    def start(self, *, active: bool) -> None:
        """Says how this untrained model starts; ``active`` switches its residual branches on."""
        from invariscope.models.twin import start

        if self.module is not None:
            self._decided["twin"] = start(self.module, active)

    def untrained(self, seed: int, *, active: bool = False) -> "Probe":
        """The random twin: the same architecture and preprocessing, weights drawn from the seed.

        Args:
            seed: Of the weights.
            active: Whether residual branches that the library starts at zero are switched on, see
                `models.twin`.

        Raises:
            InputError: There is nothing to draw anew (a plain callable).
        """
        from invariscope.models.twin import untrained_twin

        module = untrained_twin(self.module, self._fresh, seed, self.spec)
        spec = self.spec.partition("+untrained")[0] + "+untrained" + ":active" * active
        twin = Probe(
            module,
            self.preprocessing,
            spec,
            fresh=self._fresh,
            imagenet=self._imagenet,
            fields=dict(self._declared),
            warnings=self.warnings,
            wishes=self._wishes,
        )
        twin.start(active=active)
        return twin.to(self.device)

    def _lay_out(self) -> None:
        if self.module is not None and self._channels_last:
            # Module.to fails on five axes: a Conv3d may stand beside a Conv2d.
            for value in (*self.module.parameters(), *self.module.buffers()):
                if value.ndim == 4:
                    value.data = value.data.contiguous(memory_format=torch.channels_last)

    def _prepare(self, images: Tensor) -> Tensor:
        batch = self.preprocessing.normalise(images.to(self.device))
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return batch.to(dtype=self._dtype, memory_format=layout)

    def _observe(
        self, images: Tensor, layers: Sequence[str], reduce: Reducer, seen: Trace
    ) -> dict[str, Any]:
        """One run of the model, in whatever mode of differentiation is on."""
        batch = self._prepare(images)
        pieces: dict[str, Tensor] = {}
        taps = self._taps(layers, reduce, seen)
        if EMBEDDING in layers:
            taps += _embedding_taps(seen, pieces)
        if self.module is None:
            output, kept = self._run(batch, RunError), {}
        else:
            try:
                with capture(self.module, taps) as kept, self._head_tap(seen, layers, pieces):
                    output = self._run(batch, RunError)
            except ReducerFailed as failed:
                raise failed.__cause__ or failed from None
        answer = leaf_at(output, seen.answer.path)
        if answer is None or answer.ndim == 0 or len(answer) != len(images):
            raise RunError(f"model {self.spec}: no output per image for a batch of {len(images)}")
        if EMBEDDING in layers:
            for number, source in enumerate(seen.embedding.sources):
                leaf = leaf_at(output, source.path) if source.side == "answer" else None
                if leaf is not None:
                    pooled = average_pool(EMBEDDING, source.layout.normalise(leaf))
                    pieces[_part(number)] = pooled
            numbers = range(len(seen.embedding.sources))
            parts = [pieces[_part(number)] for number in numbers if _part(number) in pieces]
            if len(parts) == len(numbers):
                whole = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
                kept[EMBEDDING] = reduce(EMBEDDING, Vector(whole))
        if LOGITS in layers:
            kept[LOGITS] = reduce(LOGITS, Vector(seen.answer.logits(answer)))
        if OUTPUT in layers and seen.has_output:
            kept[OUTPUT] = reduce(OUTPUT, Vector(answer.float().reshape(len(answer), -1)))
        missing = [name for name in layers if name not in kept]
        if missing:
            raise RunError(f"model {self.spec}: layer {missing[0]!r} did not run on these images")
        return {name: kept[name] for name in layers}

    def _head_tap(
        self, seen: Trace, layers: Sequence[str], pieces: dict[str, Tensor]
    ) -> AbstractContextManager[None]:
        """Takes timm's pre-logits, where no module reads them or puts them out."""
        source = seen.embedding.sources[0]
        if self.module is None or source.side != "pre-logits" or EMBEDDING not in layers:
            return nullcontext()

        def keep(vector: Tensor) -> None:
            pieces[_part(0)] = vector.float()

        return tapped_head(self.module, keep)

    def _run(self, batch: Tensor, kind: type[InvariscopeError]) -> Any:
        try:
            with unmoved(self._behind):
                return self._call(batch)
        except (ReducerFailed, InvariscopeError, torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise kind(
                f"model {self.spec} fails on images of shape {list(batch.shape)} "
                f"({type(error).__name__}: {first_line(error)}): "
                f"{what_would_work(error, batch.shape, self._call)}"
            ) from error

    def _trace(self, images: Tensor) -> Trace:
        if images.ndim != 4 or 0 in images.shape:
            raise InputError(
                f"images: shape {list(images.shape)} came; [image, band, height, width] works, "
                "such as [image, 3, height, width]"
            )
        size = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
        if size not in self._traces:
            # Two images: with one, an axis of length 1 could be mistaken for the image axis.
            example = images.detach()[:2]
            if len(example) == 1:  # another one, so that what differs between images shows
                example = torch.cat([example, 1 - 0.5 * example.flip(3)])
            with torch.no_grad():
                batch = self._prepare(example)
            self._traces[size] = trace(
                lambda batch: self._run(batch, InputError),
                self.module,
                batch,
                self.spec,
                self._wishes,
            )
        return self._traces[size]

    def _any_trace(self) -> Trace:
        if not self._traces:
            size = self.preprocessing.size or (_DEFAULT_SIDE, _DEFAULT_SIDE)
            ramp = torch.linspace(0, 1, size[0] * size[1]).reshape(size)
            bands = self.preprocessing.channels or 3
            self._trace(torch.stack([ramp, 1 - 0.5 * ramp])[:, None].repeat(1, bands, 1, 1))
        return next(iter(self._traces.values()))

    def _taps(self, layers: Sequence[str], reduce: Reducer, seen: Trace) -> list[Tap]:
        """Which outputs are captured, and how they are laid out."""
        taps = []
        for name in layers:
            own = {EMBEDDING: True, LOGITS: seen.num_outputs is not None, OUTPUT: seen.has_output}
            if own.get(name):
                continue
            call = seen.call(name)
            if call is None or call.layout is None:
                raise unknown_name("layer", name, layer_names(seen))
            taps.append(Tap(name, name, call.layout, reduce, times=call.times))
        return taps


def _embedding_taps(seen: Trace, pieces: dict[str, Tensor]) -> list[Tap]:
    """Takes the parts of the embedding into ``pieces``, by their number."""

    def keep(part: str, activation: Any) -> None:
        pieces[part] = average_pool(part, activation)

    taps = []
    for number, source in enumerate(seen.embedding.sources):
        call = seen.call(source.module)
        if call is not None:
            where = (_part(number), call.name, source.layout)
            taps.append(Tap(*where, keep, source.side, call.times))
    return taps


def _part(number: int) -> str:
    return f"part {number} of the embedding"


def hash_state(state: Mapping[str, Any]) -> str:
    """SHA-256 over names, types, shapes and bytes, names sorted; memory formats do not matter.

    Example:
        >>> hash_state({"w": torch.zeros(2)}) == hash_state({"w": torch.zeros(2, 1)})
        False
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        if isinstance(value, Tensor):
            plain = value.detach().cpu().contiguous()
            digest.update(f"{name}|{plain.dtype}|{list(plain.shape)}|".encode())
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            digest.update(f"{name}|{value!r}|".encode())
    return digest.hexdigest()


def _unit_range(picture: Tensor) -> Tensor:
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()


def _as_images(images: Any, bands: set[int]) -> list[Image.Image | Tensor]:
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, list | tuple) and images:
        return [picture for item in images for picture in _as_images(item, bands)]
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.ascontiguousarray(images))
    if isinstance(images, Tensor):
        batch = images[None] if images.ndim == 3 else images
        if batch.ndim == 4 and batch.shape[1] not in bands and batch.shape[3] in bands - {1}:
            batch = batch.permute(0, 3, 1, 2)
        if batch.ndim == 4 and batch.shape[1] in bands and len(batch):
            return list(batch)
        came = f"{images.dtype} {list(images.shape)}"
    else:
        came = f"{type(images).__name__}" + (" (empty)" if isinstance(images, list | tuple) else "")
    raise InputError(
        f"images: {came} came; PIL images, uint8 [image, height, width, 3] or "
        "[image, 3, height, width] in [0, 1] work"
    )
