"""Reads WordNet's nouns: which class is a kind of which, and how alike two classes are.

Read from `data.noun` and `index.noun` of WordNet 3.0, the version that ImageNet's ids stem from. A
synset goes by its wnid: `n` and the eight digits of its place in the file, `n02084071` for the dog.

Similarities, with d(a, b) the least number of hypernym links from a to an ancestor of both and from
there to b, a synset being its own ancestor, and instance hypernyms (`@i`) being hypernyms:

- `path`: 1 / (d(a, b) + 1), in (0, 1]; 1 for a synset and itself.
- `lch` (Leacock and Chodorow): -ln((d(a, b) + 1) / (2 · depth)), depth = 19 being the length of the
  longest chain of hypernyms in the file; in [0, 3.64]; the greatest value for a synset and itself.
- `wup` (Wu and Palmer): 2 · D / (d(a, s) + d(b, s) + 2 · D), in (0, 1], with s the deepest common
  ancestor and D the number of synsets on the *longest* chain from s to the root.

All three are NaN without a common ancestor (in WordNet 3.0 every noun is an `entity`).

Source: paper 000 §4.5 and E.3, which takes them from NLTK; these are NLTK's to the last digit, and
so are three peculiarities of its `wup` where a synset has several hypernyms: "deepest" goes by the
*shortest* chain to the root (a itself first among equals, then the first in alphabetical order of
names such as `dog.n.01`), D by the longest one, and d(a, s) may lead past s. So wup(a, a) may be
below 1 and wup(a, b) need not be wup(b, a).
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from invariscope.effects.noun_files import Nouns, read_nouns
from invariscope.errors import InputError
from invariscope.models.classes import imagenet_class_ids, imagenet_class_names

MEASURES = ("wup", "path", "lch")
_WNID = re.compile(r"n\d{8}")
_SYNSET = re.compile(r"(.+)\.n\.(\d+)")
_CHUNK_ELEMENTS = 1 << 22  # comparisons held at a time: 4 MB as bool, 8 MB as distances
_FAR = np.int16(4096)


def standard_folders() -> list[Path]:
    """Lists where WordNet is looked for: Debian's `wordnet-base`, NLTK's corpora."""
    given = [Path(part) for part in os.environ.get("NLTK_DATA", "").split(os.pathsep) if part]
    homes = [Path.home(), Path(sys.prefix), Path(sys.prefix) / "share", Path("/usr/share")]
    corpora = [*given, *(home / "nltk_data" for home in homes)]
    return [Path("/usr/share/wordnet"), *(path / "corpora" / "wordnet" for path in corpora)]


class WordNet:
    """The nouns of WordNet 3.0.

    Args:
        folder: Holds `data.noun` and `index.noun`; by default the first of `standard_folders()`
            that does.

    Raises:
        InputError: No WordNet there, a damaged file, or another version than 3.0.

    Example:
        >>> wordnet = WordNet()  # doctest: +SKIP
        >>> dog, cat = wordnet.synset_of("dog"), wordnet.synset_of("cat")  # doctest: +SKIP
        >>> wordnet.name(dog), wordnet.similarity([dog], [cat], "path")  # doctest: +SKIP
        ('dog.n.01', array([0.2]))
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None):
        self.folder = _standard_folder() if folder is None else Path(folder)
        self._nouns: Nouns = read_nouns(self.folder)
        self._ancestors: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._names: dict[int, str] = {}
        self._imagenet: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self._nouns.offsets)

    def __contains__(self, wnid: object) -> bool:
        known = isinstance(wnid, str) and _WNID.fullmatch(wnid) is not None
        return known and int(str(wnid)[1:]) in self._nouns.places

    @property
    def wnids(self) -> list[str]:
        """All noun synsets, in the order of the file."""
        return [f"n{offset:08d}" for offset in self._nouns.offsets]

    def name(self, wnid: str) -> str:
        """Returns NLTK's name of a synset: its first noun, and which of its senses this is.

        Raises:
            InputError: No such synset.
        """
        return self._name(self._place(wnid))

    def hypernyms(self, wnid: str) -> tuple[str, ...]:
        """Returns the synsets that this one is a kind of, or an instance of; none for the root.

        Raises:
            InputError: No such synset.
        """
        parents = self._nouns.parents[self._place(wnid)]
        return tuple(f"n{self._nouns.offsets[parent]:08d}" for parent in parents)

    def synset_of(self, class_name: str) -> str | None:
        """Finds the wnid that a class name stands for, or None.

        In this order: a wnid (`n02084071`, a folder of ImageNet); a name in NLTK's form
        (`crane.n.05`); the name of a class of ImageNet-1k, alone (`great white shark`, `crane
        bird`, as torchvision spells them) or with its other nouns (`tench, Tinca tinca`); a noun,
        by its most frequent sense. Case and underscores do not matter, except that the `Cardigan`
        is the dog and the `cardigan` is not.

        The paper takes `<name>.n.01` of each class of ImageNet but two. For 208 of them that is
        another synset than the class's (a drake would be Francis Drake); here it is the class's.
        So where your `mouse` is the animal, say so: `mouse.n.01`.
        """
        name = " ".join(class_name.replace("_", " ").split())
        wnid = name.casefold()
        if _WNID.fullmatch(wnid):
            return wnid if wnid in self else None
        sense = _SYNSET.fullmatch(name)
        if sense:
            senses = self._nouns.senses(sense[1])
            number = int(sense[2]) - 1
            return f"n{senses[number]:08d}" if 0 <= number < len(senses) else None
        if self._imagenet is None:
            self._imagenet = _imagenet_names()
        for spelling in (name, name.casefold()):
            known = self._imagenet.get(spelling)
            if known is not None and known in self:
                return known
        senses = self._nouns.senses(name)
        return f"n{senses[0]:08d}" if senses else None

    def similarity(
        self, first: Sequence[str], second: Sequence[str], measure: str = "wup"
    ) -> Float64[np.ndarray, " pair"]:
        """Computes the similarity of each pair of synsets.

        Args:
            first: One wnid for each pair.
            second: The other one.
            measure: "wup", "path" or "lch"; the head of this file defines them.

        Returns:
            float64 [pair]; NaN where two synsets have no common ancestor.

        Raises:
            InputError: An unknown measure or wnid, or lists of unequal length.
        """
        if measure not in MEASURES:
            raise InputError(f"measure {measure!r}: {', '.join(MEASURES)} work")
        if len(first) != len(second):
            raise InputError(f"{len(first)} synsets against {len(second)}: give as many of each")
        if not len(first):
            return np.empty(0)
        left, right = (np.array([self._place(wnid) for wnid in side]) for side in (first, second))
        if measure == "wup":
            return self._wup(left, right)
        links = self._links(left, right) + 1.0
        return 1.0 / links if measure == "path" else -np.log(links / (2.0 * self._nouns.depth))

    def matrix(
        self, wnids: Sequence[str], measure: str = "wup"
    ) -> Float64[np.ndarray, "synset synset"]:
        """Computes the similarities of all pairs [synset, synset], symmetric.

        Entry (i, j) with i <= j is that of i and j in this order, as `wup` may depend on it.

        Raises:
            InputError: An unknown measure or wnid.
        """
        rows, columns = np.triu_indices(len(wnids))
        result = np.full((len(wnids), len(wnids)), np.nan)
        first, second = ([wnids[k] for k in side.tolist()] for side in (rows, columns))
        result[rows, columns] = self.similarity(first, second, measure)
        result[columns, rows] = result[rows, columns]
        return result

    def _place(self, wnid: str) -> int:
        if wnid not in self:
            raise InputError(
                f"{wnid!r} is no noun synset of {self.folder}: give a wnid such as n02084071, "
                "which synset_of() finds for a class name"
            )
        return self._nouns.places[int(wnid[1:])]

    def _name(self, synset: int) -> str:
        if synset not in self._names:
            self._names[synset] = self._nouns.name(synset)
        return self._names[synset]

    def _ancestors_of(self, synset: int) -> tuple[np.ndarray, np.ndarray]:
        """The ancestors of a synset and the links to them, as `wup` prefers them: deepest first."""
        if synset not in self._ancestors:
            links, level, distance = {synset: 0}, [synset], 0
            while level:
                distance += 1
                parents = (p for member in level for p in self._nouns.parents[member])
                level = [p for p in dict.fromkeys(parents) if p not in links]
                links.update(dict.fromkeys(level, distance))
            depths = self._nouns.min_depths
            order = sorted(links, key=lambda p: (-depths[p], p != synset, self._name(p)))
            self._ancestors[synset] = (
                np.array(order, dtype=np.int32),
                np.array([links[p] for p in order], dtype=np.int16),
            )
        return self._ancestors[synset]

    def _tables(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ancestors and links of each synset [synset, ancestor], short rows padded with -1."""
        rows = [self._ancestors_of(int(synset)) for synset in places]
        width = max(len(ancestors) for ancestors, _ in rows)
        ancestors = np.full((len(rows), width), -1, dtype=np.int32)
        links = np.full((len(rows), width), _FAR, dtype=np.int16)
        for row, (known, distances) in enumerate(rows):
            ancestors[row, : len(known)] = known
            links[row, : len(known)] = distances
        return ancestors, links

    def _links(self, left: np.ndarray, right: np.ndarray) -> Float[np.ndarray, " pair"]:
        """The distance d of each pair, NaN without a common ancestor."""
        distances = np.empty(len(left))
        unique, back = np.unique(np.concatenate([left, right]), return_inverse=True)
        ancestors, links = self._tables(unique)
        step = max(1, _CHUNK_ELEMENTS // ancestors.shape[1] ** 2)
        for start in range(0, len(left), step):
            a = back[start : min(start + step, len(left))]
            b = back[len(left) + start : len(left) + start + len(a)]
            same = ancestors[a][:, :, None] == ancestors[b][:, None, :]
            both = np.where(same, links[a][:, :, None] + links[b][:, None, :], _FAR)
            distances[start : start + len(a)] = both.min(axis=(1, 2))
        distances[distances >= _FAR] = np.nan
        return distances

    def _wup(self, left: np.ndarray, right: np.ndarray) -> Float[np.ndarray, " pair"]:
        subsumers = self._subsumers(left, right)
        result = np.full(len(left), np.nan)
        known = subsumers >= 0
        if known.any():
            left, right, subsumers = left[known], right[known], subsumers[known]
            depth = self._nouns.max_depths[subsumers] + 1.0
            links = self._links(left, subsumers) + self._links(right, subsumers)
            result[known] = 2.0 * depth / (links + 2.0 * depth)
        return result

    def _subsumers(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The common ancestor of each pair that `wup` takes, -1 without one."""
        subsumers = np.empty(len(left), dtype=np.int64)
        unique, back = np.unique(np.concatenate([left, right]), return_inverse=True)
        ancestors, _ = self._tables(unique)
        step = max(1, _CHUNK_ELEMENTS // ancestors.shape[1] ** 2)
        for start in range(0, len(left), step):
            a = back[start : min(start + step, len(left))]
            b = back[len(left) + start : len(left) + start + len(a)]
            mine = ancestors[a]
            common = (mine[:, :, None] == ancestors[b][:, None, :]).any(axis=2) & (mine >= 0)
            best = mine[np.arange(len(a)), common.argmax(axis=1)]
            subsumers[start : start + len(a)] = np.where(common.any(axis=1), best, -1)
        return subsumers


def _standard_folder() -> Path:
    folders = standard_folders()
    for folder in folders:
        if (folder / "data.noun").is_file():
            return folder
    raise InputError(
        f"no WordNet in {folders[0]} or NLTK's corpora: install Debian's wordnet-base, or give the "
        "folder that holds data.noun and index.noun of WordNet 3.0"
    )


def _imagenet_names() -> dict[str, str]:
    """The wnids of ImageNet-1k by class name: as it is spelt, else in lower case."""
    classes = list(zip(imagenet_class_names(), imagenet_class_ids(), strict=True))
    # Names alone are unique and come first: both cranes have no other noun than "crane".
    pairs = [(names[0], wnid) for names, wnid in classes]
    pairs += [(names[-1], wnid) for names, wnid in classes]
    folded = {name.casefold(): wnid for name, wnid in reversed(pairs)}
    return folded | {name: wnid for name, wnid in reversed(pairs)}
