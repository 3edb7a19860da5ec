"""Reads WordNet's `data.noun` and `index.noun`.

A line of `data.noun` is `offset lexicographer_file n words(hex) (word id)… pointers (symbol offset
part_of_speech source_target)… | gloss`; the offset is the place of the line in the file. A line of
`index.noun` is `lemma n senses pointers symbol… senses tagged offset…`, senses by frequency. Lines
of the licence begin with blanks. (WordNet's manual, wndb(5WN).)
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from invariscope.errors import InputError

VERSION = "3.0"
_HYPERNYMS = (b"@", b"@i")
_VERSION = re.compile(rb"WordNet (\d+\.\d+) Copyright")


@dataclass(frozen=True)
class Nouns:
    """All noun synsets, each a place from 0 on, in the order of the file.

    Attributes:
        folder: Where they were read.
        offsets: The offset of each synset.
        places: The place of each offset.
        words: The first word of each synset, in lower case.
        parents: The places of its hypernyms and instance hypernyms, in the order of the file.
        min_depths: Links on the shortest chain to a root, int64 [synset].
        max_depths: Links on the longest one, int64 [synset].
        index: The rest of the line of `index.noun` by lemma.
    """

    folder: Path
    offsets: list[int]
    places: dict[int, int]
    words: list[bytes]
    parents: list[tuple[int, ...]]
    min_depths: np.ndarray
    max_depths: np.ndarray
    index: dict[bytes, bytes] = field(repr=False)

    @property
    def depth(self) -> int:
        """The number of links on the longest chain of hypernyms."""
        return int(self.max_depths.max())

    def senses(self, noun: str) -> list[int]:
        """Returns the offsets of a noun's senses, the most frequent first; none if unknown."""
        lemma = noun.strip().lower().replace(" ", "_").encode()
        line = self.index.get(lemma)
        if line is None:
            return []
        try:
            fields = line.split()
            offsets = [int(text) for text in fields[len(fields) - int(fields[1]) :]]
            if not offsets or not all(offset in self.places for offset in offsets):
                raise ValueError
        except (ValueError, IndexError) as error:
            raise _damaged(self.folder / "index.noun", f"the line of {noun!r}") from error
        return offsets

    def name(self, synset: int) -> str:
        """Returns `word.n.01`: the first word, and which of its senses the synset is."""
        word = self.words[synset].decode()
        senses = self.senses(word)
        if self.offsets[synset] not in senses:
            raise _damaged(self.folder / "index.noun", f"the line of {word!r}")
        return f"{word}.n.{senses.index(self.offsets[synset]) + 1:02d}"


def read_nouns(folder: Path) -> Nouns:
    """Reads both files.

    Raises:
        InputError: A file is missing or damaged, or of another version than 3.0.
    """
    path = folder / "data.noun"
    content = _read(path)
    version = _VERSION.search(content, 0, 4096)
    if version is not None and version[1].decode() != VERSION:
        raise InputError(
            f"{path} is WordNet {version[1].decode()}: ImageNet's ids are of WordNet {VERSION}, as "
            "in Debian's wordnet-base or NLTK's corpus wordnet"
        )
    offsets: list[int] = []
    words: list[bytes] = []
    pointers: list[list[int]] = []
    start = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.startswith(b" "):
            try:
                word, hypernyms = _parse(line, start)
            except (ValueError, IndexError) as error:
                raise _damaged(path, f"line {number}") from error
            offsets.append(start)
            words.append(word)
            pointers.append(hypernyms)
        start += len(line)
    if not offsets:
        raise _damaged(path, "the whole file: it has no synset")
    places = {offset: synset for synset, offset in enumerate(offsets)}
    try:
        parents = [tuple(places[offset] for offset in targets) for targets in pointers]
    except KeyError as error:
        raise _damaged(path, f"a pointer to {error.args[0]:08d}") from error
    low, high = _depths(parents, path)
    return Nouns(folder, offsets, places, words, parents, low, high, _index(folder))


def _parse(line: bytes, start: int) -> tuple[bytes, list[int]]:
    """First word, and offsets of the hypernyms, of one line of `data.noun`."""
    fields = line.split(b" | ", 1)[0].split()
    if int(fields[0]) != start or fields[2] != b"n":
        raise ValueError("the offset is not the place in the file")
    first = 4 + 2 * int(fields[3], 16)
    count = int(fields[first])
    symbols = fields[first + 1 : first + 1 + 4 * count]
    if len(symbols) != 4 * count:
        raise ValueError("fewer pointers than announced")
    targets = zip(symbols[::4], symbols[1::4], strict=True)
    return fields[4].lower(), [int(target) for symbol, target in targets if symbol in _HYPERNYMS]


def _depths(parents: list[tuple[int, ...]], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Links on the shortest and on the longest chain to a root, of each synset."""
    children: list[list[int]] = [[] for _ in parents]
    for synset, above in enumerate(parents):
        for parent in above:
            children[parent].append(synset)
    waiting = [len(above) for above in parents]
    ready = [synset for synset, count in enumerate(waiting) if not count]
    low, high = [0] * len(parents), [0] * len(parents)
    for synset in ready:  # grows: a synset is ready when all of its hypernyms are done
        if parents[synset]:
            low[synset] = 1 + min(low[parent] for parent in parents[synset])
            high[synset] = 1 + max(high[parent] for parent in parents[synset])
        for child in children[synset]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    if len(ready) < len(parents):
        raise _damaged(path, "the hypernyms: some synsets are their own ancestors")
    return np.array(low), np.array(high)


def _index(folder: Path) -> dict[bytes, bytes]:
    lines = _read(folder / "index.noun").splitlines()
    pairs = (line.partition(b" ") for line in lines if line and not line.startswith(b" "))
    return {lemma: rest for lemma, _, rest in pairs}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; give the folder that holds data.noun and "
            "index.noun of WordNet 3.0 (Debian: wordnet-base)"
        ) from error


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} is damaged ({what}): install WordNet {VERSION} again")
