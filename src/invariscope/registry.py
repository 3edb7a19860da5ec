"""Keeps named things that users and other packages add: a dictionary, a decorator, entry points."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from invariscope.errors import InputError, first_line, first_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

_REGISTRIES: list["Registry[Any]"] = []


def unknown_name(what: str, name: str, known: Iterable[str]) -> InputError:
    """Makes the error for a name that is not known: it lists the nearest names, then all of them.

    Example:
        >>> str(unknown_name("transformation", "rotat", ["rotate", "blur"]))
        "unknown transformation 'rotat': did you mean rotate? (known: blur, rotate)"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f": did you mean {', '.join(near)}?" if near else ""
    return InputError(f"unknown {what} {name!r}{hint} (known: {first_of(names, 40) or 'none'})")


class Registry(Generic[T]):
    """Names and what they stand for.

    Args:
        what: What one entry is, in the singular; used in messages.
        group: The entry-point group through which other packages add entries.
    """

    def __init__(self, what: str, group: str):
        self.what = what
        self.group = group
        self._entries: dict[str, T] = {}
        self._plugins_loaded = False
        self._lost: dict[str, str] = {}
        _REGISTRIES.append(self)

    def add(self, name: str, entry: T) -> T:
        """Adds an entry; a second one of the same name is an error."""
        if name in self._entries:
            raise ValueError(f"{self.what} {name!r} is registered already")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Returns the decorator form of `add`."""
        return lambda entry: self.add(name, entry)

    def get(self, name: str) -> T:
        """Returns the entry of that name, or an `InputError` that lists the nearest names."""
        self._load_plugins()
        if name not in self._entries and name in self._lost:
            raise InputError(
                f"the {self.what} {name!r} cannot be had in this process ({self._lost[name]}): "
                "install the module that registers it there, or register it in the script itself"
            )
        if name not in self._entries:
            raise unknown_name(self.what, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load_plugins()
        return iter(list(self._entries))

    def names(self) -> set[str]:
        """Returns the names of all entries, plug-ins among them, without loading these."""
        return set(self._entries) | {point.name for point in self._points()}

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        for point in self._points():
            if point.name not in self._entries:
                entry = _loaded(self.what, point)
                self._entries.setdefault(point.name, entry)  # a decorator there may have added it

    def _points(self):
        from importlib.metadata import entry_points  # 40 ms, which a help text need not wait for

        return entry_points(group=self.group)


#: Entries by group and name; text says why one could not be packed.
Packed = Mapping[str, Mapping[str, bytes | str]]


def foreign() -> Packed:
    """Packs the entries that are not ours, such as those of a script, by group and name.

    Each is packed by itself: one that another process cannot import is lost there alone.
    """
    return {
        registry.group: {
            name: _packed(entry) for name, entry in registry._entries.items() if _is_foreign(entry)
        }
        for registry in _REGISTRIES
    }


def adopt(entries: Packed) -> None:
    """Adds entries that `foreign` has packed in another process, where they are not known.

    Of one that cannot be unpacked here the reason is kept: asking for its name tells it.
    """
    import cloudpickle

    for registry in _REGISTRIES:
        for name, packed in entries.get(registry.group, {}).items():
            if name not in registry._entries:
                if isinstance(packed, str):
                    registry._lost[name] = packed
                    continue
                try:
                    registry._entries[name] = cloudpickle.loads(packed)
                except Exception as problem:  # whatever the import of another's module raises
                    registry._lost[name] = first_line(problem)


def _packed(entry: Any) -> bytes | str:
    import cloudpickle

    try:
        return cloudpickle.dumps(entry)
    except Exception as problem:  # whatever its parts raise
        return first_line(problem)


def _is_foreign(entry: Any) -> bool:
    """Says whether an entry, or a function that it holds, is of another package or a script."""
    parts = [entry]
    if is_dataclass(entry) and not isinstance(entry, type):
        parts = [getattr(entry, field.name) for field in fields(entry)]
    modules = [str(getattr(part, "__module__", "")) for part in parts if callable(part)]
    return any(module.partition(".")[0] != __package__ for module in modules)


def _loaded(what: str, point: "EntryPoint") -> Any:
    try:
        return point.load()
    except Exception as problem:
        package = point.dist.name if point.dist else point.module
        raise InputError(
            f"the {what} {point.name!r} of the package {package} cannot be loaded "
            f"({type(problem).__name__}: {problem}): mend or remove that package"
        ) from problem
