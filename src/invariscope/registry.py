"""Keeps named things that users and other packages add: a dictionary, a decorator, entry points."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from invariscope.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


def unknown_name(what: str, name: str, known: Iterable[str]) -> InputError:
    """Makes the error for a name that is not known: it lists the nearest names, then all of them.

    Example:
        >>> str(unknown_name("transformation", "rotat", ["rotate", "blur"]))
        "unknown transformation 'rotat': did you mean rotate? (known: blur, rotate)"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    shown = ", ".join(names[:40]) + (f", … {len(names) - 40} more" if len(names) > 40 else "")
    return InputError(f"unknown {what} {name!r}: {hint}(known: {shown or 'none'})")


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


def _loaded(what: str, point: "EntryPoint") -> Any:
    try:
        return point.load()
    except Exception as problem:
        package = point.dist.name if point.dist else point.module
        raise InputError(
            f"the {what} {point.name!r} of the package {package} cannot be loaded "
            f"({type(problem).__name__}: {problem}): mend or remove that package"
        ) from problem
