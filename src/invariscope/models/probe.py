"""Probes a model with its own preprocessing and the layers that are being watched."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from invariscope.devices import one_memory_error
from invariscope.errors import InputError, RunError
from invariscope.models.activations import average_pool
from invariscope.models.behind import words_on
from invariscope.models.capture import Reducer, ReducerFailed
from invariscope.models.classes import (
    imagenet_class_ids,
    known_class_names,
    stated_class_names,
    wordnet_ids_of,
)
from invariscope.models.dry_runs import DryRuns
from invariscope.models.fields import Fields, checked_declaration
from invariscope.models.layer_words import Layouts, describe_layouts, doubts_on_layers
from invariscope.models.layers import (
    EMBEDDING,
    LOGITS,
    OUTPUT,
    Layer,
    Selection,
    layer_names,
    select_layers,
)
from invariscope.models.network import Faster, Network
from invariscope.models.observation import Observation
from invariscope.models.pictures import as_images, batches
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.state_hash import hash_state
from invariscope.models.trace import Trace, Wishes

# Where a model says nothing about its input: large enough for every stride in use.
_DEFAULT_SIZE = (224, 224)


@dataclass(frozen=True)
class Outputs:
    """The outputs of one forward pass.

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
        class_names: Name, or WordNet id, of each output where the spec tells it; None: what the
            module's own configuration tells.
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
        class_names: Sequence[str] | None = None,
        fields: Mapping[str, int | Fields] | None = None,
        wishes: Wishes | None = None,
        decisions: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
    ):
        self._network = Network(model, spec)
        self.module = self._network.module
        self._wishes = wishes or Wishes()
        self._decided = {**words_on(model, self._network.behind), **(decisions or {})}
        self.warnings = tuple(warnings)
        self._declared = checked_declaration({} if fields is None else fields)
        self.spec = spec
        self.preprocessing = preprocessing
        self._fresh = fresh
        self._imagenet = imagenet
        self._class_names = None if class_names is None else tuple(class_names)
        self._runs: DryRuns | None = None
        self._faster: Faster | None = None
        self.arithmetic: dict[str, Any] = {}
        self._watched = Selection()

    def __repr__(self) -> str:
        return f"Probe({self.spec!r}, device='{self.device}')"

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self._network.device

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over the state dict (sorted names, types, shapes, bytes); "" for a callable."""
        return "" if self.module is None else hash_state(self.module.state_dict())

    @property
    def running_weights(self) -> tuple[str, ...]:
        """The names of the weights that run in a pass; of folded batch norms there are none."""
        module = self.module if self._faster is None else self._faster.network.module
        return () if module is None else tuple(module.state_dict())

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """The modules that run in a pass: the model, and those that a callable reaches."""
        return (() if self.module is None else (self.module,)) + self._network.behind

    @property
    def num_outputs(self) -> int | None:
        """Number of logits; None where the answer is no class scores."""
        return self._any_trace().num_outputs

    @property
    def task(self) -> str:
        """The task that the answer solves, one of `invariscope.models.answer.TASKS`."""
        return self._any_trace().answer.task

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Name of each logit, where the model tells one for each."""
        names = self._class_names or known_class_names(self.module) or ()
        return names if len(names) == self.num_outputs else None

    @property
    def class_ids(self) -> tuple[str, ...] | None:
        """WordNet ids of the logits, where they are known, as those of ImageNet-1k are."""
        if self.class_names is not None:
            return wordnet_ids_of(self.class_names)
        known = self._imagenet and self.num_outputs == 1000
        return imagenet_class_ids() if known else None

    def decisions(self, example: Float[Tensor, "image band height width"]) -> dict[str, str]:
        """Returns the decisions about this model, a sentence by subject: for the manifest of a run.

        Args:
            example: One or two images in [0, 1] at the input resolution.
        """
        seen = self._trace(example)
        maps, source = describe_layouts(*self._layouts(seen)), self.preprocessing.source
        said = {"maps": maps} if maps else {}
        return {**seen.decisions(), **said, **self._decided, "preprocessing": source}

    def doubts(self, example: Float[Tensor, "image band height width"]) -> list[str]:
        """Returns what may surprise about this model, one line each: for the warnings of a run."""
        seen = self._trace(example)
        doubts = [line for line in (seen.answer.doubt, seen.embedding.doubt) if line]
        return [*self.warnings, *doubts, *doubts_on_layers(*self._layouts(seen))]

    def _layouts(self, seen: Trace) -> tuple[Layouts, Layouts]:
        """The readings of the watched layers, and of those that were left out."""
        names = [layer.name for layer in self._watched.layers if layer.name in seen.shown]
        return {name: seen.shown[name] for name in names}, self._watched.left_out

    def to(self, device: str | torch.device) -> "Probe":
        """Moves the model; returns the probe itself."""
        self._network.to(device)
        if self._faster is not None:
            self._faster.network.to(device)
        return self

    def with_preprocessing(self, preprocessing: Preprocessing) -> "Probe":
        """Returns the same model, no copy of it, with other preprocessing."""
        return self._but(preprocessing=preprocessing, _runs=None)

    def with_class_names(self, names: Any) -> "Probe":
        """Returns the same model, no copy, with names of its outputs (`stated_class_names`)."""
        return self._but(_class_names=stated_class_names(names, self.num_outputs, self.spec))

    def with_said(self, decisions: Mapping[str, str], warnings: Sequence[str]) -> "Probe":
        """Returns the same model, no copy of it, with more decisions and warnings."""
        warnings = (*self.warnings, *warnings)
        return self._but(_decided={**self._decided, **decisions}, warnings=warnings)

    def with_fields(self, fields: Mapping[str, int | Fields]) -> "Probe":
        """Returns the same model, no copy of it, with other declared fields."""
        return self._but(_declared=checked_declaration(fields))

    def with_wishes(self, wishes: Wishes) -> "Probe":
        """Returns the same model, no copy of it, with the user's wishes of task and embedding."""
        return self._but(_wishes=wishes, _runs=None)

    def with_module(self, module: nn.Module, spec: str, decisions: Mapping[str, str]) -> "Probe":
        """Returns a probe of a module of the same architecture, as a model of its own.

        Args:
            module: The module; it is moved to the device of this one.
            spec: What it is called.
            decisions: What was decided for it; what this probe says of the architecture stays.
        """
        probe = Probe(
            module,
            self.preprocessing,
            spec,
            fresh=self._fresh,
            imagenet=self._imagenet,
            class_names=self._class_names,
            fields=dict(self._declared),
            wishes=self._wishes,
            decisions=decisions,
            warnings=self.warnings,
        )
        return probe.to(self.device)

    def _but(self, **changes: Any) -> "Probe":
        """Returns the same model, no copy of it, with other attributes."""
        changed = copy.copy(self)
        vars(changed).update(changes)
        return changed

    def watch(
        self,
        selection: str | Sequence[str] | None,
        example: Float[Tensor, "image band height width"],
    ) -> tuple[Layer, ...]:
        """Returns the layers of a selection, in the order of execution.

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
        seen = self._trace(example)
        self._watched = self._select(selection, seen)
        return self._watched.layers

    def layer_names(self, example: Float[Tensor, "image band height width"]) -> tuple[str, ...]:
        """Returns every name that `watch` accepts, in the order of execution."""
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
        seen = self._shown(images, layers)
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
        pictures = [self.preprocessing.geometry(picture) for picture in as_images(images, known)]
        logits = []
        for batch in batches(pictures):
            if self._trace(batch).num_outputs is None:
                raise InputError(f"model {self.spec} has no logits to predict with")
            logits.append(self.forward(batch, [LOGITS]).vectors[LOGITS])
        return torch.cat(logits)

    @property
    def starts(self) -> str:
        """Says how the weights of an untrained model were drawn; "" for any other."""
        return self._decided.get("twin", "")

    def start(self, *, active: bool) -> None:
        """Says how this untrained model starts; ``active`` switches its residual branches on."""
        from invariscope.models.twin import start

        if self.module is not None:
            self._decided["twin"] = start(self.module, active)

    def untrained(self, seed: int, *, active: bool = False) -> "Probe":
        """Makes the random twin: the same architecture and preprocessing, weights from the seed.

        Args:
            seed: Of the weights.
            active: Whether residual branches that start at zero are switched on (`models.twin`).

        Raises:
            InputError: There is nothing to draw anew (a plain callable).
        """
        from invariscope.models.twin import untrained_twin

        module = untrained_twin(self.module, self._fresh, seed, self.spec)
        spec = self.spec.partition("+untrained")[0] + "+untrained" + ":active" * active
        twin = self.with_module(module, spec, {})
        twin.start(active=active)
        return twin

    def _prepare(self, images: Tensor) -> Tensor:
        return self._network.laid_out(self.preprocessing.normalise(images.to(self.device)))

    @one_memory_error()
    def _observe(
        self, images: Tensor, layers: Sequence[str], reduce: Reducer, seen: Trace
    ) -> dict[str, Any]:
        """One run of the model, in whatever mode of differentiation is on."""
        batch, faster = self._prepare(images), self._faster
        if faster is None or not faster.serves(layers):
            faster = Faster(self._network, tuple(layers))
        network, observation = faster.network, Observation(seen, faster.layers_of(layers), reduce)
        try:
            if network.module is None:
                output = network.run(batch, RunError)
            elif faster.is_tapped:
                output, taken = network.run(batch, RunError)
                observation.take(taken, len(images))
            else:
                with observation.watching(network.module, len(images)):
                    output = network.run(batch, RunError)
        except ReducerFailed as failed:
            raise failed.__cause__ or failed from None
        kept = observation.collect(output, len(images), self.spec)
        return {layer: kept[layer] for layer in layers}

    @property
    def _dry_runs(self) -> DryRuns:
        if self._runs is None:
            runs = (self._network.run, self._prepare, self.module, self.spec, self._wishes)
            self._runs = DryRuns(*runs)
        return self._runs

    def _trace(self, images: Tensor) -> Trace:
        return self._dry_runs.of(images)

    def _any_trace(self) -> Trace:
        size = self.preprocessing.size or _DEFAULT_SIZE
        return self._dry_runs.any(self.preprocessing.channels or 3, *size)

    def _shown(self, images: Tensor, layers: Sequence[str]) -> Trace:
        """Returns the dry run for images of this size, with what is shown of these layers."""
        seen = self._trace(images)
        if not seen.shown and set(layers) - {EMBEDDING, LOGITS, OUTPUT}:
            # The blocks of the model may tell what a layer alone does not.
            self._select("auto", seen)
        self._dry_runs.show(seen, layers)
        return seen

    def _select(self, selection: str | Sequence[str] | None, seen: Trace) -> Selection:
        show = partial(self._dry_runs.show, seen)
        return select_layers(selection, self.module, seen, self._declared, show)
