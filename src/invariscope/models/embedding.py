"""Decides which vector is the embedding, and where it is read.

One rule, the first line that applies:

1. the output of the layer that the user names, averaged over positions;
2. the answer itself, where the answer is an embedding (`answer`), averaged over positions;
3. what the model's own pre-logits function gives: ``forward_head(…, pre_logits=True)`` of timm;
4. what the classifier reads: the linear map that makes the answer, or all of those that it is made
   of, concatenated in the order of execution;
5. a pooled output beside the answer, by its name (``image_embeds``, ``pooler_output``, …);
6. the answer, averaged over positions.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.activations import Layout, average_pool
from invariscope.models.answer import EMBEDDING_KEYS, Answer
from invariscope.models.leaves import Leaf, Path, leaf_at, tensor_of
from invariscope.models.recorder import LinearMap, Recorder, hookable
from invariscope.registry import unknown_name


@dataclass(frozen=True)
class Source:
    """A place where an embedding, or a part of one, is read.

    Args:
        side: "input" or "output" of a module, "pre-logits" (timm's function), or "answer": a tensor
            of the model's output.
        layout: How the tensor there is to be read; it is averaged over positions.
        module: Dotted name of the module; "" for the others.
        path: Where in that output it lies.
    """

    side: str
    layout: Layout
    module: str = ""
    path: Path = ()


@dataclass(frozen=True)
class Embedding:
    """The place where the embedding is read.

    Args:
        sources: Concatenated in this order.
        width: Number of elements.
        position: When it is ready, in the order of execution.
        classifier: Name of the last linear map that makes the answer; None for none.
        how: In words, for the record.
        doubt: What may surprise, one line; "" for nothing.
    """

    sources: tuple[Source, ...]
    width: int
    position: int
    classifier: str | None
    how: str
    doubt: str = ""

    @property
    def is_answer(self) -> bool:
        """Says whether it is the answer of the model."""
        return self.sources[0].side == "answer"


def choose_embedding(
    recorder: Recorder,
    module: nn.Module | None,
    answer: Answer,
    leaves: Sequence[Leaf],
    heads: Sequence[LinearMap],
    wanted: str | None,
    own: Tensor | None,
    rerun: Callable[[Tensor], "Source | None"],
) -> tuple[Embedding, Tensor]:
    """Chooses the embedding by the rule at the top of this file; also returns its value.

    Args:
        recorder: What ran.
        module: The model, or None for a callable.
        answer: How the answer is read.
        leaves: The tensors of the output.
        heads: The linear maps that make the answer.
        wanted: The layer that the user names, or None.
        own: What timm's pre-logits function gives, [image, element], or None.
        rerun: Looks for the module that reads or puts out a vector, in another pass.

    Raises:
        InputError: The named layer does not run, or gives no vector per image.
    """
    names = tuple(head.name for head in heads)
    last = names[-1] if names else None
    end = recorder.clock + 1
    leaf = next(leaf for leaf in leaves if leaf.path == answer.path)
    if wanted is not None:
        return _of_layer(recorder, module, wanted, last, heads[0].start if heads else end)
    if answer.task == "embedding":
        return _of_leaf(recorder, leaf, end, f"the answer itself, {_shape(leaf)}")
    # Two heads may read one tensor; equal values (tokens that nothing has trained) are not one.
    own_heads = list({(h.given.data_ptr(), h.given.stride()): h for h in reversed(heads)}.values())
    own_heads.reverse()
    read = [head.embedding for head in own_heads]
    if own is not None:
        position = heads[0].start if heads else end
        how = "timm's forward_head(pre_logits=True)"
        if len(read) == 1 and _equal(read[0], own):
            source: Source | None = Source("input", heads[0].layout, heads[0].name)
        else:
            source = rerun(own)
        source = source or Source("pre-logits", Layout("vector"))
        where = f": {source.side} of {source.module}" if source.module else ""
        return Embedding((source,), own.shape[1], position, last, how + where), own
    if read:
        sources = tuple(Source("input", head.layout, head.name) for head in own_heads)
        value = torch.cat(read, 1)
        several = f"what {len(read)} classifiers read, concatenated: " if len(read) > 1 else ""
        how = several + " and ".join(f"input of {head.name}" for head in own_heads)
        doubt = _runs_again(recorder, own_heads)
        return Embedding(sources, value.shape[1], heads[0].start, last, how, doubt), value
    pooled = [part for key in EMBEDDING_KEYS for part in leaves if part.path[-1:] == (key,)]
    if pooled and pooled[0].path != answer.path:
        return _of_leaf(recorder, pooled[0], end, f"the output {pooled[0].key!r}")
    doubt = ""
    if module is not None and answer.has_classes:
        doubt = (
            "no classifier is seen inside the model, so the embedding is its output itself; name "
            "another layer with embedding"
        )
    return _of_leaf(recorder, leaf, end, f"the model's output, {_shape(leaf)}", doubt)


def _runs_again(recorder: Recorder, heads: Sequence[LinearMap]) -> str:
    """Warns of a network that runs several times in a pass; "" where it does not."""
    names = {head.name for head in heads}
    times = max((call.times for call in recorder.calls() if call.name in names), default=1)
    if times == 1:
        return ""
    return (
        f"{heads[-1].name} runs {times} times in one pass of the model (an average over views of "
        "the picture?): the embedding and the layers are those of its last run, the logits are "
        "the model's answer; pass the network inside it to measure one run"
    )


def pre_logits(module: nn.Module | None, images: Tensor) -> Tensor | None:
    """Calls timm's pre-logits function, [image, element]; returns None for other models.

    Several tensors are concatenated; maps and tokens are averaged over positions.
    """
    model: Any = module
    if not (hasattr(model, "forward_head") and hasattr(model, "forward_features")):
        return None
    try:
        features = model.forward_features(images.clone())  # it may work in place
        output = model.forward_head(features, pre_logits=True)
    except TypeError:  # another library's function of that name
        return None
    parts = [part for part in (output if isinstance(output, tuple | list) else [output])]
    if not all(isinstance(part, Tensor) and len(part) == len(images) for part in parts):
        return None
    return torch.cat([_flat(part) for part in parts], 1)


@contextmanager
def tapped_head(module: nn.Module, keep: Callable[[Tensor], None]) -> Iterator[None]:
    """Calls ``keep`` with timm's pre-logits whenever the model's head runs inside the context."""
    model: Any = module
    head = model.forward_head

    def forward_head(features: Any, *args: Any, **options: Any) -> Any:
        output = head(features, pre_logits=True)
        parts = output if isinstance(output, tuple | list) else [output]
        keep(torch.cat([_flat(part) for part in parts], 1))
        return head(features, *args, **options)

    model.forward_head = forward_head
    try:
        yield
    finally:
        del model.forward_head


class Finder:
    """Hooks that look for the module which reads or puts out a given vector.

    Args:
        recorder: What says how tensors are laid out.
        vector: [image, element].
    """

    def __init__(self, recorder: Recorder, vector: Tensor):
        self._recorder, self._vector = recorder, vector
        self._calls = {call.name: call for call in recorder.calls()}
        self._left = {name: call.times for name, call in self._calls.items()}
        self.source: Source | None = None

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Looks at what runs inside the context."""
        with ExitStack() as hooks:
            for name, child in hookable(module):
                if name:
                    look = partial(self._look, name)
                    hooks.enter_context(child.register_forward_hook(look, with_kwargs=True))
            yield

    def _look(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._left[name] = self._left.get(name, 1) - 1
        if self._left[name]:  # it runs again, and the last time counts
            return
        path = self._calls[name].path if name in self._calls else ()
        given = tensor_of([*args, *kwargs.values()])
        for side, tensor in (("input", given), ("output", leaf_at(output, path))):
            layout = None if tensor is None else self._recorder.layout(tensor, module)
            if tensor is None or layout is None or self.source is not None:
                continue
            if _equal(average_pool(name, layout.normalise(tensor)), self._vector):
                self.source = Source(side, layout, name, path if side == "output" else ())


def _of_layer(
    recorder: Recorder,
    module: nn.Module | None,
    name: str,
    classifier: str | None,
    position: int,
) -> tuple[Embedding, Tensor]:
    calls = {call.name: call for call in recorder.calls()}
    call = calls.get(name)
    if module is None:
        raise InputError(
            f"embedding {name!r}: nothing can be seen inside this model, so no layer can be named"
        )
    if call is None or call.layout is None:
        raise unknown_name("layer for the embedding", name, calls)
    width = call.channels or 0
    how = f"output of {name}, named by the user"
    source = Source("output", call.layout, name, call.path)
    return Embedding((source,), width, position, classifier, how), torch.empty(0)


def _of_leaf(
    recorder: Recorder, leaf: Leaf, end: int, how: str, doubt: str = ""
) -> tuple[Embedding, Tensor]:
    layout = recorder.layout(leaf.tensor, None) or Layout("vector")
    value = average_pool("embedding", layout.normalise(leaf.tensor))
    source = Source("answer", layout, path=leaf.path)
    return Embedding((source,), value.shape[1], end, None, how, doubt), value


def _shape(leaf: Leaf) -> str:
    name = f"{leaf.key!r}, " if leaf.path else ""
    pooled = ", averaged over positions" if leaf.tensor.ndim > 2 else ""
    return f"{name}{list(leaf.tensor.shape[1:])}{pooled}"


def _flat(tensor: Tensor) -> Tensor:
    """[image, element]: maps and tokens averaged over positions."""
    if tensor.ndim == 4:
        return tensor.mean((2, 3))
    return tensor.mean(1) if tensor.ndim == 3 else tensor.reshape(len(tensor), -1)


def _equal(seen: Tensor, wanted: Tensor) -> bool:
    if seen.shape != wanted.shape:
        return False
    scale = float(wanted.abs().max())
    return torch.allclose(seen.float(), wanted.float(), 1e-4, 1e-5 * scale + 1e-12, equal_nan=True)
