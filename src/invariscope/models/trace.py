"""Runs a model dry: forward passes show what runs, in which order, and what comes out.

Which modules run, which tensor of the output is the answer (`answer`), which linear maps make it
(`classifier`), where the embedding is read (`embedding`): all is seen in a forward pass on two
images, or said by the user.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.activations import Layout
from invariscope.models.answer import Answer, check_task, choose_leaf, classified, named_leaf
from invariscope.models.classifier import linear_maps, makers
from invariscope.models.embedding import Embedding, Finder, Source, choose_embedding, pre_logits
from invariscope.models.failures import is_list_per_image, refused_output
from invariscope.models.fields import Fields
from invariscope.models.leaves import leaves
from invariscope.models.recorder import Call, LinearMap, Recorder, fields_seen

# What a model without a head ends with: features as they are, pooled or normalised.
_HEADLESS_ENDS = (
    nn.Identity, nn.Flatten, nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d,
)  # fmt: skip


@dataclass(frozen=True)
class Wishes:
    """The user's words on a model; where they are None, it is seen.

    Args:
        task: One of `invariscope.models.answer.TASKS`.
        embedding: The layer whose output is the embedding.
        output_key: Which tensor of the output is the answer.
    """

    task: str | None = None
    embedding: str | None = None
    output_key: str | None = None

    def __post_init__(self):
        check_task(self.task)


@dataclass(frozen=True)
class Trace:
    """The record of a dry run.

    Args:
        calls: The modules that ran, in the order in which they ended.
        input_size: Height and width of the images.
        answer: Which tensor of the output is the answer, and what it is.
        shape: Shape of the answer, with the images of the dry run first.
        embedding: Where the embedding is read.
        fields: How rotations permute its elements, where the answer is the embedding and says so.
        pool: Name of the module that pools globally; None where there is none, or where its output
            is the embedding.
        shown: What a probe of the input has since found of the layers that are watched
            (`invariscope.models.grids`), in place of what their shapes suggest.
    """

    calls: tuple[Call, ...]
    input_size: tuple[int, int]
    answer: Answer
    shape: tuple[int, ...]
    embedding: Embedding
    fields: Fields | None
    pool: str | None
    shown: dict[str, Layout | None] = field(default_factory=dict)

    def call(self, name: str) -> Call | None:
        """Returns the module of that name, or None where it did not run."""
        match = next((call for call in self.calls if call.name == name), None)
        if match is None or name not in self.shown:
            return match
        return replace(match, layout=self.shown[name])

    @property
    def classifier(self) -> str | None:
        """Name of the last linear map that makes the answer; None where there is none."""
        return self.embedding.classifier

    @property
    def num_outputs(self) -> int | None:
        """Number of logits; None where the answer is no class scores."""
        if not self.answer.has_classes:
            return None
        return 2 if self.answer.form in ("score", "probability") else self.shape[1]

    @property
    def has_output(self) -> bool:
        """Says whether the answer is watched as it is: numbers that are no class scores."""
        return self.answer.task == "regression"

    @property
    def width(self) -> int:
        """Number of elements of the embedding."""
        return self.embedding.width

    @property
    def embedding_position(self) -> int:
        """The position in the order of execution at which the embedding is ready."""
        return self.embedding.position

    def decisions(self) -> dict[str, str]:
        """Returns the decisions, a sentence by subject."""
        form = {
            "probabilities": "; they are probabilities, whose logarithms are the logits",
            "score": "; one score, above 0 for the second of two classes",
            "probability": "; one probability, above 0.5 for the second of two classes",
        }.get(self.answer.form, "")
        how = f" ({self.answer.how})" if self.answer.how else ""
        return {
            "task": f"{self.answer.task}{how}; {list(self.shape[1:]) or 1} per image{form}",
            "embedding": f"{self.embedding.how}; {self.embedding.width} numbers",
        }


def trace(
    run: Callable[[Tensor], Any],
    module: nn.Module | None,
    images: Tensor,
    what: str,
    wishes: Wishes,
) -> Trace:
    """Runs a model once or twice and records it.

    Args:
        run: Calls the model on normalised images.
        module: The model, or None for a plain callable, into which nothing can look.
        images: Two or more normalised images that differ, [image, channel, height, width].
        what: The model's spec, for messages.
        wishes: What the user says.

    Raises:
        InputError: The output holds no tensor with one entry per image, or the wishes do not fit.
    """
    count, size = images.shape[0], (int(images.shape[2]), int(images.shape[3]))
    prefix = getattr(module, "num_prefix_tokens", None)
    recorder = Recorder(count, size, prefix if isinstance(prefix, int) else None)
    # Not inference_mode: there the version counter, which tells in-place changes, stands still.
    with torch.inference_mode(False), torch.no_grad():
        if images.is_inference():
            images = images.clone()
        with recorder.watching(module):
            output = run(images)
        return _conclude(recorder, run, module, images, output, what, wishes)


def _conclude(
    recorder: Recorder,
    run: Callable[[Tensor], Any],
    module: nn.Module | None,
    images: Tensor,
    output: Any,
    what: str,
    wishes: Wishes,
) -> Trace:
    every = list(leaves(output))
    usable = [leaf for leaf in every if recorder.layout(leaf.tensor, None) is not None]
    if not usable or is_list_per_image(output, len(images)):
        raise InputError(f"model {what}: {refused_output(output, len(images))}")
    maps = linear_maps(recorder)
    if wishes.output_key is None:
        answer = choose_leaf(usable, recorder, maps, what)
    else:
        leaf = named_leaf(usable, wishes.output_key, what)
        answer = Answer(leaf.path, "", how=f"the output {leaf.key!r}, named by the user")
    leaf = next(leaf for leaf in usable if leaf.path == answer.path)
    heads = _heads(recorder, module, maps, leaf.tensor)
    headless = not heads and module is not None and _is_headless(recorder, module, leaf.tensor)
    answer = classified(answer, leaf.tensor, wishes.task, heads, headless, what)

    def rerun(vector: Tensor) -> Source | None:
        if module is None or bool((vector == vector[0, 0]).all()):  # it could be anything
            return None
        finder = Finder(recorder, vector)
        with finder.watching(module):
            run(images)
        return finder.source

    asked = wishes.embedding is not None or answer.task == "embedding"
    own = None if asked else pre_logits(module, images)
    embedding, value = choose_embedding(
        recorder, module, answer, usable, heads, wishes.embedding, own, rerun
    )
    fields = None
    if embedding.is_answer:
        layout = recorder.layout(leaf.tensor, None)
        fields, _ = fields_seen(leaf.kind, tuple(leaf.tensor.shape), layout)
    return Trace(
        calls=recorder.calls(),
        input_size=(int(images.shape[2]), int(images.shape[3])),
        answer=answer,
        shape=tuple(leaf.tensor.shape),
        embedding=embedding,
        fields=fields,
        pool=_pool(recorder, embedding.position, value),
    )


def _heads(
    recorder: Recorder, module: nn.Module | None, maps: list[LinearMap], answer: Tensor
) -> list[LinearMap]:
    """The linear maps that make the answer; none where the model ends without a head."""
    if getattr(module, "num_classes", None) == 0:
        return []
    heads = makers(recorder, maps, answer)
    if any(head.made(answer) for head in heads):
        return heads
    return [] if isinstance(recorder.last_leaf(answer), nn.Identity) else heads


def _is_headless(recorder: Recorder, module: nn.Module, answer: Tensor) -> bool:
    """Says whether the answer is features: the model says so, or ends in no map to classes."""
    if getattr(module, "num_classes", None) == 0:
        return True
    leaf = recorder.last_leaf(answer)
    return isinstance(leaf, _HEADLESS_ENDS) or "Pool" in type(leaf).__name__


def _pool(recorder: Recorder, position: int, embedding: Tensor) -> str | None:
    """The last global pooling before the embedding, where its output is another one."""
    before = [entry for entry in recorder.pools if entry[1] < position]
    if not before:
        return None
    name, _, pooled = before[-1]
    equal = pooled.shape == embedding.shape and torch.allclose(
        pooled.float(), embedding.float(), equal_nan=True, atol=1e-6
    )
    return None if equal else name
