"""Finds the answer of a model: which tensor of its output it is, and what kind of answer.

Models put out a tensor, or tensors in tuples, lists, dictionaries and ModelOutputs. The answer is
recognised by what made it, not by its position, in this order:

1. the one that the user names;
2. class scores by their name, in the order of `ANSWER_KEYS`;
3. the deepest feature map, if all are feature maps: the last one with the smallest grid;
4. the output of a linear map of the network, unless another linear map reads it (features that a
   classifier reads are not the answer) or its name is that of an embedding;
5. the one that is as wide as the last linear map and is not the input of that map;
6. an embedding by its name, in the order of `EMBEDDING_KEYS`;
7. the first.

A **task** says what the answer is: ``classification`` (one score per class), ``multilabel`` (one
score per label, several may hold), ``regression`` (one number, or a few), ``embedding`` (a vector
to compare images by) or ``dense`` (an answer at every place). Where the user does not say it, it is
seen: a map is dense; one number is a regression; a vector of length 1, a normalised or pooled
vector and one with the name of an embedding are embeddings; other vectors are class scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.models.classifier import makers, reads
from invariscope.models.leaves import Leaf, Path
from invariscope.models.recorder import LinearMap, Recorder
from invariscope.registry import unknown_name

TASKS = ("classification", "multilabel", "regression", "embedding", "dense")
ANSWER_KEYS = (
    "logits", "out", "output", "predictions", "prediction", "preds", "pred", "scores",
)  # fmt: skip
"""Keys under which models put out their answer, the surest first."""

EMBEDDING_KEYS = (
    "image_embeds", "pooler_output", "embeddings", "embedding", "embeds", "x_norm_clstoken",
    "features", "feats", "last_hidden_state",
)  # fmt: skip
"""Keys under which models put out an embedding, the best first."""

# Probabilities sum to 1 within this, embeddings have the length 1 within this.
_CLOSE = 1e-3
_UNIT = "its length is 1 for every image"


@dataclass(frozen=True)
class Answer:
    """The reading of a model's answer.

    Args:
        path: Where in the output it lies.
        task: One of `TASKS`.
        form: Of class scores: "scores"; "probabilities" (their logarithms are the logits); "score"
            (one number, above 0 for the second of two classes); "probability" (one number, above
            0.5 for it).
        how: How it was recognised, for the record.
        doubt: What may be wrong about that, one line; "" for nothing.
    """

    path: Path
    task: str
    form: str = "scores"
    how: str = ""
    doubt: str = ""

    @property
    def has_classes(self) -> bool:
        """Says whether there are class scores, so that there are logits and predictions."""
        return self.task in ("classification", "multilabel")

    def logits(self, answer: Tensor) -> Float[Tensor, "image element"]:
        """Returns the answer as logits [image, class]; a new tensor in float32.

        Example:
            >>> Answer((), "classification", "score").logits(torch.tensor([[2.0]]))
            tensor([[0., 2.]])
        """
        values = answer.float().flatten(1) if answer.ndim > 1 else answer.float()[:, None]
        if self.form == "probabilities":
            return values.clamp_min(torch.finfo(values.dtype).tiny).log()
        if self.form == "probability":
            values = values.logit(torch.finfo(values.dtype).eps)
        if self.form in ("score", "probability"):
            return torch.cat([torch.zeros_like(values), values], 1)
        return values.clone() if values is answer else values


def check_task(task: str | None) -> None:
    """Raises an `InputError` for a task that there is not."""
    if task is not None and task not in TASKS:
        raise unknown_name("task", task, TASKS)


def named_leaf(leaves: Sequence[Leaf], key: str, what: str) -> Leaf:
    """Returns the tensor that the user names, by its whole key or its last part.

    Raises:
        InputError: There is none; the message lists those that there are.
    """
    for leaf in leaves:
        if leaf.key == key:
            return leaf
    ends = [leaf for leaf in leaves if leaf.path and str(leaf.path[-1]) == key]
    if len(ends) == 1:
        return ends[0]
    if not any(leaf.path for leaf in leaves):
        raise InputError(
            f"model {what}: its output is one tensor, so there is no output {key!r}; leave "
            "output_key out"
        )
    raise unknown_name(f"output of model {what}", key, [leaf.key for leaf in leaves])


def choose_leaf(
    leaves: Sequence[Leaf], recorder: Recorder, maps: Sequence[LinearMap], what: str
) -> Answer:
    """Chooses the tensor of an output that is the answer, by the rule at the top of this file.

    Args:
        leaves: The tensors of the output that have an entry per image.
        recorder: What ran.
        maps: The last linear maps of the network.
        what: The model, for the doubt.

    Returns:
        The answer; its task is "" where its place does not tell one.
    """
    if len(leaves) == 1:
        leaf = leaves[0]
        task = "embedding" if _is_named_embedding(leaf) else ""
        return Answer(leaf.path, task, how=f"the output {leaf.key!r}" if leaf.path else "")
    listed = ", ".join(f"{leaf.key} {list(leaf.tensor.shape[1:])}" for leaf in leaves)
    named = _first_named(leaves, ANSWER_KEYS)
    if named is not None:
        return Answer(named.path, "", how=f"{named.key!r} of the outputs {listed}")
    if all(leaf.tensor.ndim == 4 for leaf in leaves):
        leaf = deepest(leaves)
        how = f"{leaf.key!r}, the deepest of the feature maps {listed}"
        return Answer(leaf.path, "embedding", how=how)
    read = [leaf for leaf in leaves if any(reads(head, leaf.tensor) for head in maps)]
    others = [leaf for leaf in leaves if leaf not in read and not _is_named_embedding(leaf)]
    made_leaves = [leaf for leaf in others if any(head.made(leaf.tensor) for head in maps)]
    if made_leaves:
        return _made(made_leaves, recorder, maps, listed, what)
    wide = [leaf for leaf in others if maps and (*leaf.tensor.shape, 1)[1] == maps[-1].width]
    if wide and maps:
        how = f"{wide[0].key!r} of the outputs {listed}: as wide as {maps[-1].name}"
        return Answer(wide[0].path, "", how=how, doubt=_doubt(what, wide[0], listed))
    named = _first_named(leaves, EMBEDDING_KEYS)
    if named is not None:
        return Answer(named.path, "embedding", how=f"{named.key!r} of the outputs {listed}")
    first = (others or list(leaves))[0]
    how = f"{first.key!r}, the first of the outputs {listed}"
    return Answer(first.path, "", how=how, doubt=_doubt(what, first, listed))


def _made(
    leaves: Sequence[Leaf],
    recorder: Recorder,
    maps: Sequence[LinearMap],
    listed: str,
    what: str,
) -> Answer:
    leaf = leaves[0]
    maker = makers(recorder, maps, leaf.tensor)[0].name
    how = f"{leaf.key!r} of the outputs {listed}: made by {maker}"
    return Answer(leaf.path, "", how=how, doubt=_doubt(what, leaf, listed) * (len(leaves) > 1))


def _doubt(what: str, leaf: Leaf, listed: str) -> str:
    return (
        f"model {what} puts out {listed}; {leaf.key!r} is taken for its answer; name another "
        "with output_key"
    )


def _first_named(leaves: Sequence[Leaf], keys: Sequence[str]) -> Leaf | None:
    return next((leaf for key in keys for leaf in leaves if leaf.path[-1:] == (key,)), None)


def _is_named_embedding(leaf: Leaf) -> bool:
    return bool(leaf.path) and leaf.path[-1] in EMBEDDING_KEYS


def deepest(maps: Sequence[Leaf]) -> Leaf:
    """Returns the feature map with the smallest grid, the last one of several.

    Example:
        >>> maps = [Leaf((k,), torch.ones(2, 4, side, side)) for k, side in enumerate((8, 4, 4))]
        >>> deepest(maps).path
        (2,)
    """
    return min(reversed(maps), key=lambda leaf: leaf.tensor.shape[2:].numel())


def is_unit(values: Tensor) -> bool:
    """Tells whether all rows have the length 1 and are no probabilities.

    Example:
        >>> is_unit(torch.tensor([[0.6, -0.8]])), is_unit(torch.tensor([[1.0, 0.0]]))
        (True, False)
    """
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    lengths = values.float().norm(dim=1)
    return bool(((lengths - 1).abs() < _CLOSE).all()) and not are_probabilities(values)


def are_probabilities(values: Tensor) -> bool:
    """Tells whether all rows are probabilities: none below 0, and their sum is 1."""
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    sums = values.float().sum(1)
    return bool((values >= 0).all()) and bool(((sums - 1).abs() < _CLOSE).all())


def classified(
    answer: Answer,
    values: Tensor,
    task: str | None,
    heads: Sequence[LinearMap],
    headless: bool,
    what: str,
) -> Answer:
    """Returns the answer with its task and form.

    Args:
        answer: Where it lies; with a task where its place tells one, else "".
        values: The answer for the images of the dry run.
        task: What the user says, or None.
        heads: The linear maps that make it.
        headless: Whether the network ends in features.
        what: The model, for messages.

    Raises:
        InputError: The user's task does not fit the answer's shape.
    """
    shape = list(values.shape)
    single = values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)
    flat = values.ndim <= 2
    if task in ("classification", "multilabel") and not flat:
        raise InputError(
            f"model {what}: task {task!r} does not fit its answer of shape {shape}; dense or "
            "embedding work, or another output_key"
        )
    if task is None:
        task, how = _seen_task(answer, values, headless, single)
        if how == _UNIT:
            doubt = (
                f"model {what}: its output of {values.shape[1]} numbers has the length 1 for every "
                "image, so it is taken for an embedding and not for class scores; if it is, say "
                "`task='classification'`"
            )
            answer = replace(answer, doubt=doubt)
    else:
        how = "said by the user"
    answer = replace(answer, how="; ".join(part for part in (answer.how, how) if part))
    form = "scores"
    if task == "classification" and single:
        form, doubt = _single_form(values, heads, what)
        answer = replace(answer, doubt=answer.doubt or doubt)
    elif task == "classification" and are_probabilities(values):
        form = "probabilities"
        said = "probabilities, whose logarithms are the logits"
        answer = replace(answer, how="; ".join(part for part in (answer.how, said) if part))
    return replace(answer, task=task, form=form)


def _single_form(values: Tensor, heads: Sequence[LinearMap], what: str) -> tuple[str, str]:
    """Says whether one number per image is a score or a probability, and the doubt about it."""
    if len(heads) == 1:
        if heads[0].made(values):
            return "score", ""
        score = heads[0].output.reshape(-1).float().sigmoid()
        if len(score) == len(values) and torch.allclose(
            score, values.reshape(-1).float(), atol=1e-4
        ):
            return "probability", ""
    if not bool(((values >= 0) & (values <= 1)).all()):
        return "score", ""
    return "probability", (
        f"model {what}: its one output lies in [0, 1] and is taken for the probability of the "
        "second class (0.5 decides); put out the score before the sigmoid to be sure"
    )


def _seen_task(answer: Answer, values: Tensor, headless: bool, single: bool) -> tuple[str, str]:
    if answer.task:
        return answer.task, ""
    if values.ndim > 2:
        return ("embedding", "it ends in feature maps") if headless else ("dense", "at every place")
    if headless:
        return "embedding", "the network ends in features, not in a map to classes"
    if single:
        return "regression", "one number"
    if is_unit(values):
        return "embedding", _UNIT
    return "classification", "one score per class"
