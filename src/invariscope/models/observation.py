"""Observes one pass of a model: layers in their hooks, embedding and answer afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import RunError
from invariscope.models.activations import Activation, Vector, average_pool
from invariscope.models.capture import Reducer, Tap, capture, kept_of
from invariscope.models.embedding import tapped_head
from invariscope.models.failures import for_a_batch_of
from invariscope.models.layers import EMBEDDING, LOGITS, OUTPUT, layer_names
from invariscope.models.leaves import leaf_at
from invariscope.models.trace import Trace
from invariscope.registry import unknown_name


class Observation:
    """Takes the wanted layers of one pass.

    Args:
        seen: The dry run, which says where each of them is found and how it is read.
        layers: Names from `Probe.watch`.
        reduce: Makes what is kept of each.

    Attributes:
        taps: Where in the modules they are taken.

    Raises:
        InputError: A name that is no layer.
    """

    def __init__(self, seen: Trace, layers: Sequence[str], reduce: Reducer):
        self._seen, self._layers, self._reduce = seen, layers, reduce
        self._kept: dict[str, Any] = {}
        self._parts: dict[int, Tensor] = {}
        self.taps = [self._tap(name) for name in layers if not self._is_own(name)]
        if EMBEDDING in layers:
            self.taps += self._embedding_taps()

    @property
    def wraps_head(self) -> bool:
        """Says whether timm's pre-logits are wanted where no module reads them or puts them out."""
        return EMBEDDING in self._layers and self._seen.embedding.sources[0].side == "pre-logits"

    def take(self, taken: Sequence[Sequence[Tensor | None]], images: int) -> None:
        """Takes what the taps of a pass have found, instead of looking at it."""
        self._kept = kept_of(self.taps, taken, images)

    @contextmanager
    def watching(self, module: nn.Module, images: int) -> Iterator[None]:
        """Looks at the pass of so many images inside the context."""
        wrapped = self.wraps_head
        head = tapped_head(module, partial(self._take, 0)) if wrapped else nullcontext()
        with capture(module, self.taps, images) as kept, head:
            yield
        self._kept = kept

    def collect(self, output: Any, images: int, what: str) -> dict[str, Any]:
        """Returns what was kept of each layer, once the pass is over.

        Args:
            output: Of the model.
            images: How many images went through.
            what: The model, for messages.

        Raises:
            RunError: No answer for each image, or a layer that did not run.
        """
        seen, kept = self._seen, self._kept
        answer = leaf_at(output, seen.answer.path)
        if answer is None or answer.ndim == 0 or len(answer) != images:
            raise RunError(
                f"model {what}: no output per image for a batch of {images}; "
                f"{for_a_batch_of(images)}"
            )
        if EMBEDDING in self._layers:
            self._collect_embedding(output)
        if LOGITS in self._layers and LOGITS not in kept:
            kept[LOGITS] = self._reduce(LOGITS, Vector(seen.answer.logits(answer)))
        if OUTPUT in self._layers and OUTPUT not in kept:
            kept[OUTPUT] = self._reduce(OUTPUT, Vector(answer.float().reshape(images, -1)))
        missing = [name for name in self._layers if name not in kept]
        if missing:
            raise RunError(f"model {what}: layer {missing[0]!r} did not run on these images")
        return {name: kept[name] for name in self._layers}

    def _collect_embedding(self, output: Any) -> None:
        sources = self._seen.embedding.sources
        for number, source in enumerate(sources):
            leaf = leaf_at(output, source.path) if source.side == "answer" else None
            if leaf is not None:
                self._take(number, average_pool(EMBEDDING, source.layout.normalise(leaf)))
        if len(self._parts) == len(sources):
            parts = [self._parts[number] for number in range(len(sources))]
            whole = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
            self._kept[EMBEDDING] = self._reduce(EMBEDDING, Vector(whole))

    def _is_own(self, name: str) -> bool:
        """Says whether a layer is one that every model has, beside its modules."""
        seen = self._seen
        own = {EMBEDDING: True, LOGITS: seen.num_outputs is not None, OUTPUT: seen.has_output}
        return own.get(name, False)

    def _tap(self, name: str) -> Tap:
        call = self._seen.call(name)
        if call is None or call.layout is None:
            raise unknown_name("layer", name, layer_names(self._seen))
        return Tap(name, name, call.layout, self._reduce, times=call.times, path=call.path)

    def _embedding_taps(self) -> list[Tap]:
        """Takes the parts of the embedding that modules read or put out."""
        taps = []
        for number, source in enumerate(self._seen.embedding.sources):
            call = self._seen.call(source.module)
            if call is not None:
                name = f"part {number} of the embedding"
                pooled = _pooled(partial(self._take, number))
                where = (source.side, call.times, source.path)
                taps.append(Tap(name, call.name, source.layout, pooled, *where))
        return taps

    def _take(self, number: int, vector: Tensor) -> None:
        self._parts[number] = vector.float()


def modules_of(seen: Trace, layers: Sequence[str]) -> set[str]:
    """Names the modules at which these layers are read, as `Observation` reads them."""
    sources = {source.module for source in seen.embedding.sources} if EMBEDDING in layers else set()
    return {name for name in {*layers, *sources} if seen.call(name) is not None}


def _pooled(take: Callable[[Tensor], None]) -> Reducer:
    def reduce(layer: str, activation: Activation) -> None:
        take(average_pool(layer, activation))

    return reduce
