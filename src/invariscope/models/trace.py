"""The dry run: one forward pass that finds out what runs, in which order, and what comes out.

Nothing about a model is assumed. Which modules run, how their outputs are laid out, which of them
is the classifier and whether there are logits at all is seen in a forward pass on one or two
images.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.activations import (
    Layout,
    average_pool,
    layout_of,
    tensor_and_type,
    tensor_of,
)
from invariscope.models.fields import Fields, fields_of_type

# How many of the last classifier-like modules are remembered: their outputs are kept alive, so that
# "same memory" cannot be a reused address.
_TAIL = 8
# What a model without a head ends with: features as they are, pooled or normalised.
_HEADLESS_ENDS = (nn.Identity, nn.Flatten, nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)


@dataclass(frozen=True)
class Call:
    """One module of the dry run, at its last call.

    Args:
        name: Dotted name of the module.
        start: Position of its beginning in the order of execution.
        end: Position of its end; a block ends after everything in it.
        layout: How its output is to be read; None where it is not one value set per image.
        shape: Shape of its output, with the images of the dry run first; () without a tensor.
        owns_parameters: Whether the module itself, not a child, has parameters.
        fields: How rotations permute its channels, where its output says so.
        note: What its output says of its channels that cannot be followed; "" for nothing.
    """

    name: str
    start: int
    end: int
    layout: Layout | None
    shape: tuple[int, ...]
    owns_parameters: bool
    fields: Fields | None = None
    note: str = ""

    @property
    def channels(self) -> int | None:
        """Number of channels, or of elements of a vector."""
        return None if self.layout is None else channels_of(self.shape, self.layout)


@dataclass(frozen=True)
class Trace:
    """What the dry run saw.

    Args:
        calls: The modules that ran, in the order in which they ended.
        input_size: Height and width of the images.
        output: How the model's output is to be read.
        num_outputs: Number of logits; None where the output is not [image, K >= 2].
        classifier: Name of the last linear map, whose input is the embedding; None: the embedding
            is the output.
        embedding: How the embedding is to be read.
        width: Number of elements of the embedding.
        fields: How rotations permute them, where the model's output is the embedding and says so.
        pool: Name of the module that pools globally; None where there is none, or where its output
            is the embedding.
        shown: What a probe of the input has since found of the layers that are watched
            (`invariscope.models.grids`), in place of what their shapes suggest.
    """

    calls: tuple[Call, ...]
    input_size: tuple[int, int]
    output: Layout
    num_outputs: int | None
    classifier: str | None
    embedding: Layout
    width: int
    fields: Fields | None
    pool: str | None
    shown: dict[str, Layout | None] = field(default_factory=dict)

    def call(self, name: str) -> Call | None:
        """The module of that name, or None where it did not run."""
        found = next((call for call in self.calls if call.name == name), None)
        if found is None or name not in self.shown:
            return found
        return replace(found, layout=self.shown[name])

    @property
    def embedding_position(self) -> int:
        """Where in the order of execution the embedding is ready."""
        if self.classifier is None:
            return max((call.end for call in self.calls), default=0) + 1
        found = self.call(self.classifier)
        return found.start if found else 0


@dataclass
class _Candidate:
    """A linear map near the end: perhaps the classifier."""

    name: str
    output: Tensor
    version: int
    start: int
    embedding: Layout
    pooled: Tensor


class _Recorder:
    """The hooks of the dry run."""

    def __init__(self, images: int, input_size: tuple[int, int], prefix: int | None):
        self.known = {"images": images, "input_size": input_size, "prefix": prefix}
        self.clock = 0
        self.starts: dict[str, int] = {}
        self.calls: dict[str, Call] = {}
        self.candidates: deque[_Candidate] = deque(maxlen=_TAIL)
        self.pools: deque[tuple[str, int, Tensor]] = deque(maxlen=_TAIL)
        self.last_leaf: tuple[nn.Module, Tensor] | None = None

    def attach(self, name: str, module: nn.Module) -> list[Any]:
        # Not closures: the type checker of the tests would compile them anew for each module.
        return [
            module.register_forward_pre_hook(partial(self._begin, name), with_kwargs=True),
            module.register_forward_hook(partial(self._end, name), with_kwargs=True),
        ]

    def _begin(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.clock += 1
        self.starts[name] = self.clock

    def _end(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self.clock += 1
        self._record(name, module, tensor_of([*args, *kwargs.values()]), output)

    def layout(self, tensor: Tensor, module: nn.Module | None) -> Layout | None:
        evidence = None if module is None else _channels_last(module)
        return layout_of(tensor, **self.known, channels_last=evidence)

    def _record(self, name: str, module: nn.Module, given: Tensor | None, result: Any) -> None:
        output, kind = tensor_and_type(result)
        owns = next(module.parameters(recurse=False), None) is not None
        start = self.starts.get(name, self.clock)
        layout = None if output is None else self.layout(output, module)
        shape = () if output is None else tuple(output.shape)
        self.calls.pop(name, None)
        fields, note = _fields(kind, shape, layout)
        self.calls[name] = Call(name, start, self.clock, layout, shape, owns, fields, note)
        if output is None or layout is None:
            return
        # Dropout hands its input on: it says nothing of what a model ends in.
        if not list(module.children()) and not isinstance(module, nn.Dropout):
            self.last_leaf = (module, output)
        if given is None:
            return
        if is_linear_map(module):
            self._remember_candidate(name, module, start, given, output)
        before = self.layout(given, None)
        if before is not None and before.spatial and layout.grid == (1, 1):
            if before.grid != (1, 1) or "pool" in type(module).__name__.lower():
                self.pools.append(
                    (name, self.clock, average_pool(name, layout.normalise(output)).flatten(1))
                )

    def _remember_candidate(
        self, name: str, module: nn.Module, start: int, given: Tensor, output: Tensor
    ) -> None:
        embedding = layout_of(given, **self.known, channels_last=isinstance(module, nn.Linear))
        if embedding is None:
            return
        pooled = average_pool(name, embedding.normalise(given))
        self.candidates.append(_Candidate(name, output, output._version, start, embedding, pooled))


def channels_of(shape: tuple[int, ...], layout: Layout) -> int:
    """Number of channels of an output of this shape, or of elements of a vector.

    Example:
        >>> channels_of((2, 16, 7, 7), Layout("nchw")), channels_of((2, 4, 5), Layout("vector"))
        (16, 20)
    """
    return layout.channels_in(shape)


def _fields(kind: Any, shape: tuple[int, ...], layout: Layout | None) -> tuple[Fields | None, str]:
    if kind is None or layout is None:
        return None, ""
    return fields_of_type(kind, channels_of(shape, layout))


def is_linear_map(module: nn.Module) -> bool:
    """Whether a module can be a classifier: a Linear or a 1×1 convolution."""
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    return isinstance(module, nn.Linear)


def _channels_last(module: nn.Module) -> bool | None:
    """What a module's type says of the axes of a 4-D output."""
    name = type(module).__name__
    if name.endswith("2d") or isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.GroupNorm):
        return False
    return True if isinstance(module, nn.LayerNorm | nn.Linear) else None


def trace(
    run: Callable[[Tensor], Any],
    module: nn.Module | None,
    images: Tensor,
    what: str,
) -> Trace:
    """Runs a model once and records it.

    Args:
        run: Calls the model on normalised images.
        module: The model, or None for a plain callable, into which nothing can look.
        images: One or more normalised images, [image, channel, height, width].
        what: The model's spec, for messages.

    Raises:
        InputError: The output is not one tensor with one entry per image.
    """
    count, size = images.shape[0], (int(images.shape[2]), int(images.shape[3]))
    prefix = getattr(module, "num_prefix_tokens", None)
    recorder = _Recorder(count, size, prefix if isinstance(prefix, int) else None)
    handles: list[Any] = []
    try:
        for name, child in module.named_modules() if module is not None else ():
            if name:
                handles += recorder.attach(name, child)
        # Not inference_mode: there the version counter, which tells in-place changes, stands still.
        with torch.no_grad():
            output, kind = tensor_and_type(run(images))
    finally:
        for handle in handles:
            handle.remove()
    layout = None if output is None else recorder.layout(output, None)
    if output is None or layout is None:
        came = "no tensor" if output is None else f"a {output.dtype} tensor {list(output.shape)}"
        raise InputError(
            f"model {what}: its output for {count} images is {came}; a floating-point tensor whose "
            "first axis is the images works"
        )
    return _conclude(recorder, module, output, kind, layout, size)


def _conclude(
    recorder: _Recorder,
    module: nn.Module | None,
    output: Tensor,
    kind: Any,
    layout: Layout,
    size: tuple[int, int],
) -> Trace:
    calls = tuple(recorder.calls.values())
    classifier = _classifier(recorder, module, output)
    headless = classifier is None and module is not None and _is_headless(recorder, module, output)
    classes = output.shape[1] if output.ndim == 2 and output.shape[1] >= 2 else None
    if classifier is None:
        position, embedding = recorder.clock + 1, layout
        fields, _ = _fields(kind, tuple(output.shape), layout)
        pooled = average_pool("embedding", layout.normalise(output))
    else:
        position, embedding, pooled = classifier.start, classifier.embedding, classifier.pooled
        fields = None
    return Trace(
        calls=calls,
        input_size=size,
        output=layout,
        num_outputs=None if headless else classes,
        classifier=None if classifier is None else classifier.name,
        embedding=embedding,
        width=pooled.shape[1],
        fields=fields,
        pool=_pool(recorder, position, pooled),
    )


def _classifier(recorder: _Recorder, module: nn.Module | None, output: Tensor) -> _Candidate | None:
    """The linear map that makes the output, or, failing that, the last one with as many outputs.

    First rule: its output is the model's output, the same memory, unchanged since. Second rule, for
    models that end in a softmax, a pooling or a product: the last linear map with as many outputs,
    after which no module with parameters begins.
    """
    if getattr(module, "num_classes", None) == 0:
        return None
    memory = output.untyped_storage().data_ptr()
    for found in reversed(recorder.candidates):
        same = found.output.untyped_storage().data_ptr() == memory
        if same and found.version == output._version and found.output.numel() == output.numel():
            return found
    if isinstance(_last_leaf(recorder, output), nn.Identity):
        return None
    for found in reversed(recorder.candidates):
        axis = -1 if found.output.ndim != 4 or found.embedding.kind == "nhwc" else 1
        if output.ndim < 2 or found.output.shape[axis] != output.shape[1]:
            continue
        ended = recorder.calls[found.name].end
        later = [c for c in recorder.calls.values() if c.owns_parameters and c.start > ended]
        return found if not later else None
    return None


def _last_leaf(recorder: _Recorder, output: Tensor) -> nn.Module | None:
    """The childless module that ended last, if the model's output is what it put out."""
    if recorder.last_leaf is None:
        return None
    leaf, last = recorder.last_leaf
    same = last.untyped_storage().data_ptr() == output.untyped_storage().data_ptr()
    return leaf if same else None


def _is_headless(recorder: _Recorder, module: nn.Module, output: Tensor) -> bool:
    """Whether the output is features: the model says so, or ends in no map to classes."""
    if getattr(module, "num_classes", None) == 0:
        return True
    leaf = _last_leaf(recorder, output)
    return isinstance(leaf, _HEADLESS_ENDS) or "Pool" in type(leaf).__name__


def _pool(recorder: _Recorder, position: int, embedding: Tensor) -> str | None:
    """The last global pooling before the embedding, where its output is another one."""
    before = [entry for entry in recorder.pools if entry[1] < position]
    if not before:
        return None
    name, _, pooled = before[-1]
    equal = pooled.shape == embedding.shape and torch.allclose(
        pooled, embedding, equal_nan=True, atol=1e-6
    )
    return None if equal else name
