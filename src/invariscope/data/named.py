"""Opens any data set of torchvision: ``torchvision:NAME?root=…&split=…&train=…&download=1``.

``root`` is ``data`` unless given. Without ``train`` or ``split`` the part that was not trained on
is taken: ``train=0``, or the first of ``test`` and ``val`` that the data set knows. Nothing is
downloaded unless ``download=1`` says so. Further options go to the data set's constructor.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from invariscope.data.source import SOURCES
from invariscope.errors import InputError
from invariscope.registry import unknown_name

if TYPE_CHECKING:
    from invariscope.data.datasets import DatasetSource

_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")
_NOT_FROM_A_SPEC = ("transform", "target_transform", "transforms", "loader", "is_valid_file")


@SOURCES.register("torchvision")
def torchvision_dataset(argument: str | None = None, **query: str) -> "DatasetSource":
    """One of torchvision: torchvision:CIFAR10?root=data.

    Args:
        argument: The name of a class of ``torchvision.datasets``.
        query: Arguments of that class as text.

    Raises:
        InputError: An unknown name or option, or data that are not there; says what to do.

    Example:
        >>> source = torchvision_dataset("FakeData", size="3", image_size="3,8,8", num_classes="2")
        >>> len(source), source.load(0).size
        (3, (8, 8))
        >>> torchvision_dataset("CIFAR10", root="nowhere")
        Traceback (most recent call last):
        invariscope.errors.InputError: torchvision:CIFAR10: ... not found ... add download=1 ...
    """
    # both wait for torch: opening a folder does not
    from torchvision import datasets

    from invariscope.data.datasets import DatasetSource

    names = [name for name in datasets.__all__ if name != "VisionDataset"]
    if not argument:
        raise InputError("torchvision: which data set? Write torchvision:CIFAR10?root=FOLDER")
    if argument not in names:
        raise unknown_name("torchvision data set", argument, names)
    spec = f"torchvision:{argument}"
    maker = getattr(datasets, argument)
    options = _options(spec, maker, query)
    parameters = inspect.signature(maker).parameters
    if "train" in parameters:
        options.setdefault("train", False)
    splits = [options.pop("split")] if "split" in options else []
    if not splits and "split" in parameters:
        splits = ["test", "val", None]
    dataset, split = _make(spec, maker, options, splits or [None])
    source = DatasetSource(dataset, name=spec)
    part = f"split={split}" if split else "train=0" if options.get("train") is False else ""
    if part and not set(query) & {"split", "train"}:
        source.notes = [*source.notes, f"{spec}: {part} was chosen; say otherwise in the spec"]
    return source


def _options(spec: str, maker: Callable[..., Any], query: Mapping[str, str]) -> dict[str, Any]:
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(maker).parameters.items()
        if name not in _NOT_FROM_A_SPEC
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    # some data sets pass `split` or `download` on through **kwargs
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(maker).parameters.values()):
        for name in set(query) & {"split", "train", "download"}:
            parameters.setdefault(name, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY))
    for name in query:
        if name not in parameters:
            raise unknown_name(f"option of {spec}", name, parameters)
    options = {name: _value(spec, parameters[name], text) for name, text in query.items()}
    if "root" in parameters:
        options.setdefault("root", "data")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options and name != "split":
            raise InputError(f"{spec} needs {name}; write {spec}?{name}=…")
    return options


def _value(spec: str, parameter: inspect.Parameter, text: str) -> Any:
    """The text of an option as the type of the parameter's default."""
    name, default = parameter.name, parameter.default
    if isinstance(default, bool) or name in ("train", "download"):
        if text.lower() not in _TRUE + _FALSE:
            raise InputError(f"{spec}: {name}={text!r}; write {name}=1 or {name}=0")
        return text.lower() in _TRUE
    if isinstance(default, int):
        return _number(spec, name, text)
    if isinstance(default, tuple):
        return tuple(_number(spec, name, part) for part in text.split(","))
    return text


def _number(spec: str, name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"{spec}: {name}={text!r} is no whole number") from error


def _make(
    spec: str, maker: Callable[..., Any], options: dict[str, Any], splits: list[Any]
) -> tuple[Any, Any]:
    """The data set of the first split that it knows, and that split."""
    for split in splits:
        try:
            return maker(**options, **({} if split is None else {"split": split})), split
        except ValueError as error:
            if split is None or split == splits[-1]:
                raise InputError(
                    f"{spec} is refused ({_line(error)}); options are written {spec}?name=value"
                ) from error
        except ImportError as error:
            raise InputError(
                f"{spec} needs another package ({_line(error)}); install it"
            ) from error
        # what torchvision raises for missing data differs from one data set to the next
        except (RuntimeError, OSError, TypeError, KeyError) as error:
            root = options.get("root")
            can_download = "download" in inspect.signature(maker).parameters
            hint = ", or add download=1 to the spec to let torchvision fetch them"
            raise InputError(
                f"{spec}: its files were not found or not accepted under root={root!r} "
                f"({_line(error)}); name the folder that holds them with root=FOLDER"
                + (hint if can_download and not options.get("download") else "")
            ) from error
    raise InputError(f"{spec}: no split that it knows; write {spec}?split=…")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
