"""WordNet, NLTK's reader of it, and small hierarchies of nouns."""

import itertools
import warnings
from pathlib import Path

import pytest

from invariscope.effects.wordnet import WordNet, standard_folders

KINDS = {
    "noun": "Tops act animal artifact attribute body cognition communication event feeling food "
    "group location motive object person phenomenon plant possession process quantity relation "
    "shape state substance time",
    "verb": "body change cognition communication competition consumption contact creation emotion "
    "motion perception possession social stative weather",
}
POS_FILES = [
    f"{kind}.{pos}" for kind in ("data", "index") for pos in ("adj", "adv", "noun", "verb")
]
EXCEPTIONS = [f"{pos}.exc" for pos in ("adj", "adv", "noun", "verb")]


@pytest.fixture(scope="session")
def wordnet():
    if not any((folder / "data.noun").is_file() for folder in standard_folders()):
        pytest.skip("no WordNet here: install Debian's wordnet-base")
    return WordNet()


@pytest.fixture(scope="session")
def nltk_wordnet(wordnet, tmp_path_factory):
    """NLTK's reader. It wants the corpus below its search path, with a file that Debian lacks."""
    nltk = pytest.importorskip("nltk", reason="NLTK is the oracle of WordNet's similarities")
    corpus_reader = pytest.importorskip("nltk.corpus.reader.wordnet").WordNetCorpusReader
    if not (wordnet.folder / "index.sense").is_file():
        pytest.skip("NLTK needs index.sense: install Debian's wordnet-sense-index")
    root = tmp_path_factory.mktemp("nltk")
    corpus = root / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for name in [*POS_FILES, *EXCEPTIONS, "index.sense"]:
        (corpus / name).write_bytes((wordnet.folder / name).read_bytes())
    lines = ["adj.all\t3", "adj.pert\t3", "adv.all\t4"]
    lines += [f"noun.{kind}\t1" for kind in KINDS["noun"].split()]
    lines += [f"verb.{kind}\t2" for kind in KINDS["verb"].split()]
    lines += ["adj.ppl\t3"]
    text = "".join(f"{number:02}\t{line}\n" for number, line in enumerate(lines))
    (corpus / "lexnames").write_text(text)
    nltk.data.path.insert(0, str(root))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The multilingual functions are not available")
        yield corpus_reader(str(corpus), None)
    nltk.data.path.remove(str(root))


@pytest.fixture
def write_nouns():
    """Writes the files of a small hierarchy: {word: hypernyms}; an instance's begin with `@i `."""

    def write(folder: Path, hierarchy, version="3.0"):
        folder.mkdir(exist_ok=True)
        head = f"  1 WordNet {version} Copyright 2006 by Princeton University.  \n"

        def line(word, offsets):
            pointers = []
            for hypernym in hierarchy[word]:
                symbol, _, name = hypernym.rpartition(" ")
                pointers.append(f"{symbol or '@'} {offsets[name]:08d} n 0000")
            count = f"{len(pointers):03d}"
            parts = [f"{offsets[word]:08d} 03 n 01 {word} 0", count, *pointers, "| a thing  "]
            return " ".join(parts) + "\n"

        lengths = [len(line(word, dict.fromkeys(hierarchy, 0))) for word in hierarchy]
        starts = itertools.accumulate(lengths[:-1], initial=len(head))
        offsets = dict(zip(hierarchy, starts, strict=True))
        data = head + "".join(line(word, offsets) for word in hierarchy)
        (folder / "data.noun").write_text(data)
        index = "".join(f"{word} n 1 1 @ 1 0 {offsets[word]:08d}\n" for word in sorted(hierarchy))
        (folder / "index.noun").write_text(head + index)
        return {word: f"n{offset:08d}" for word, offset in offsets.items()}

    return write
