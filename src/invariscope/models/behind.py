"""Finds the modules behind a callable: networks of the caller's that are called as they are.

A module that is handed over is copied, so nothing that measuring does can reach the caller. A
callable cannot be copied, and neither can what a module's own functions close over. What Python
lets one see is looked through for modules: closures, bound objects, partial arguments, defaults,
attributes, containers, and the globals that a function of the caller's names. What lies behind
compiled code stays unseen.

A module in training mode moves its running statistics in every pass; `unmoved` puts them back.
"""

import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_FAR = 8  # steps from the callable
_MOST = 5000  # objects looked at
_WIDE = 256  # items of a container
_PLAIN = (str, bytes, int, float, complex, type(None), type, types.CodeType, Tensor)
_CONTAINERS = (dict, list, tuple, set, frozenset)


def modules_behind(model: Callable[..., Any]) -> tuple[nn.Module, ...]:
    """Returns the caller's modules that a model reaches and that are no part of it.

    Args:
        model: A callable, or a module: then those that its functions and hooks close over.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> modules_behind(lambda x: net(x)) == modules_behind(partial(net.forward)) == (net,)
        True
        >>> modules_behind(net)
        ()
    """
    own = set(map(id, model.modules())) if isinstance(model, nn.Module) else set()
    modules: dict[int, nn.Module] = {}
    seen: set[int] = set()
    inner: set[int] = set()  # modules whose parts have come with those of the one around them
    queue: deque[tuple[Any, int]] = deque([(model, 0)])
    while queue and len(seen) < _MOST:
        thing, far = queue.popleft()
        if id(thing) in seen or id(thing) in inner or far > _FAR:
            continue
        seen.add(id(thing))
        if isinstance(thing, nn.Module):
            inner.update(map(id, thing.modules()))
            if id(thing) not in own:
                modules[id(thing)] = thing
                own.update(inner)
        queue.extend((part, far + 1) for part in _parts(thing) if not _is_plain(part))
    return tuple(modules.values())


def words_on(model: Callable[..., Any], behind: Iterable[nn.Module]) -> dict[str, str]:
    """Describes the modules behind a model as a decision of the run; {} for none."""
    names = [
        type(module).__name__ + (" in training mode" if module.training else "")
        for module in behind
    ]
    if names:
        kept = "it is called as it is, and its buffers are put back after each pass"
        return {"network behind the model": f"{', '.join(names)}, the caller's own: {kept}"}
    if isinstance(model, nn.Module):
        return {}
    return {
        "network behind the model": "none is found behind this callable, so whatever it holds keeps"
        " its mode and what a pass does to it"
    }


@contextmanager
def unmoved(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Puts the buffers of what is in training mode back at the end: running statistics, counters.

    Example:
        >>> norm = nn.BatchNorm2d(3)
        >>> with unmoved([norm]):
        ...     _ = norm(torch.ones(2, 3, 4, 4))
        >>> norm.running_mean.tolist(), int(norm.num_batches_tracked)
        ([0.0, 0.0, 0.0], 0)
    """
    training = [part for module in modules for part in module.modules() if part.training]
    with torch.no_grad():
        kept = [
            (part, name, buffer, buffer.clone())
            for part in training
            for name, buffer in part.named_buffers(recurse=False)
        ]
    try:
        yield
    finally:
        with torch.no_grad():
            for part, name, buffer, before in kept:
                part._buffers[name] = buffer
                buffer.copy_(before)


def _is_plain(thing: Any) -> bool:
    """Says whether nothing lies behind an object: numbers, or a container that holds none."""
    return isinstance(thing, _PLAIN) or (isinstance(thing, _CONTAINERS) and not thing)


def _parts(thing: Any) -> Iterator[Any]:
    """Yields the objects that an object holds, one step further."""
    if isinstance(thing, types.FunctionType):
        yield from _of_function(thing)
    elif isinstance(thing, types.MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, partial):
        yield from (thing.func, *thing.args, *thing.keywords.values())
    elif isinstance(thing, dict):
        yield from list(thing.values())[:_WIDE]
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from list(thing)[:_WIDE]
    elif isinstance(thing, nn.Module):
        for part in thing.modules():
            yield from (value for value in vars(part).values() if not isinstance(value, nn.Module))
            if not _is_of_a_library(type(part).__module__):
                yield type(part).forward
    elif not isinstance(thing, types.ModuleType):
        yield from getattr(thing, "__dict__", {}).values()
        if not _is_of_a_library(type(thing).__module__):
            yield getattr(type(thing), "__call__", None)  # noqa: B004


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a name that has no value yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    if _is_of_a_library(function.__module__):
        return
    names = set(_names(function.__code__))
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        yield value
        if isinstance(value, types.ModuleType) and not _is_of_a_library(value.__name__):
            yield from (vars(value)[attribute] for attribute in names & vars(value).keys())


def _names(code: types.CodeType) -> Iterator[str]:
    """The globals and attributes that a function's code names, inner functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_of_a_library(name: str | None) -> bool:
    """Says whether a module is Python's or installed: its globals hold no network of the user's."""
    root = (name or "").partition(".")[0]
    if root in sys.stdlib_module_names and root != "__main__":
        return True
    file = getattr(sys.modules.get(root), "__file__", None)
    return file is not None and bool({"site-packages", "dist-packages"} & set(Path(file).parts))
