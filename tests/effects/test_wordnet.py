"""WordNet: the three similarities are NLTK's and those of all chains; names; messages."""

import numpy as np
import pytest

from invariscope.effects.wordnet import MEASURES, WordNet
from invariscope.errors import InputError
from invariscope.models.classes import imagenet_class_ids, imagenet_class_names
from oracles.noun_hierarchy import reference_similarity

#: Two ways up, of which the longer one leads deeper; an instance; a second root.
DIAMONDS = {
    "entity": [],
    "thing": ["entity"],
    "being": ["thing"],
    "animal": ["being"],
    "pet": ["entity"],
    "beast": ["animal"],
    "dog": ["beast", "pet"],
    "cat": ["pet", "beast"],
    "rex": ["@i dog"],
    "aibo": ["pet", "thing"],
    "ape": ["beast"],
    "zebra": ["being", "animal"],
    "ghost": [],
}


@pytest.mark.parametrize("pool", ["nouns", "imagenet"])
def test_similarities_are_nltks(wordnet, nltk_wordnet, pool):
    known = wordnet.wnids if pool == "nouns" else imagenet_class_ids()
    draws = np.random.default_rng(0).integers(0, len(known), (2, 250))
    first, second = ([known[k] for k in row] for row in draws)
    synset = nltk_wordnet.synset_from_pos_and_offset
    pairs = [
        (synset("n", int(a[1:])), synset("n", int(b[1:])))
        for a, b in zip(first, second, strict=True)
    ]
    for measure in MEASURES:
        expected = [getattr(a, f"{measure}_similarity")(b) for a, b in pairs]
        found = wordnet.similarity(first, second, measure)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert [wordnet.name(a) for a in first] == [a.name() for a, _ in pairs]


def test_similarities_of_several_hypernyms_are_nltks(wordnet, nltk_wordnet):
    """Where the peculiarities show: synsets with many ways up, and each with its own ancestors."""
    rng = np.random.default_rng(1)
    several = [wnid for wnid in wordnet.wnids if len(wordnet.hypernyms(wnid)) > 2]
    first = [several[k] for k in rng.integers(0, len(several), 200)]
    second = [several[k] for k in rng.integers(0, len(several), 80)]
    for wnid in first[80:]:
        while wordnet.hypernyms(wnid) and rng.random() < 0.7:
            wnid = rng.choice(wordnet.hypernyms(wnid))
        second.append(str(wnid))
    synset = nltk_wordnet.synset_from_pos_and_offset
    for one, other in ((first, second), (second, first)):
        pairs = [
            (synset("n", int(a[1:])), synset("n", int(b[1:])))
            for a, b in zip(one, other, strict=True)
        ]
        for measure in MEASURES:
            expected = [getattr(a, f"{measure}_similarity")(b) for a, b in pairs]
            np.testing.assert_allclose(
                wordnet.similarity(one, other, measure), expected, rtol=0, atol=1e-12
            )


def test_depths_and_hypernyms_are_nltks(wordnet, nltk_wordnet):
    chosen = np.random.default_rng(2).choice(wordnet.wnids, 100, replace=False)
    for wnid in map(str, chosen):
        synset = nltk_wordnet.synset_from_pos_and_offset("n", int(wnid[1:]))
        above = synset.hypernyms() + synset.instance_hypernyms()
        assert {f"n{s.offset():08d}" for s in above} == set(wordnet.hypernyms(wnid))
    assert wordnet._nouns.depth == 19 == max(s.max_depth() for s in nltk_wordnet.all_synsets("n"))


@pytest.mark.parametrize("measure", MEASURES)
def test_similarities_are_those_of_all_chains(tmp_path, write_nouns, measure):
    wnids = write_nouns(tmp_path, DIAMONDS)
    small = WordNet(tmp_path)
    parents = {word: [p.removeprefix("@i ") for p in above] for word, above in DIAMONDS.items()}
    names = {word: small.name(wnid) for word, wnid in wnids.items()}
    pairs = [(a, b) for a in DIAMONDS for b in DIAMONDS]
    expected = [reference_similarity(parents, names, a, b, measure) for a, b in pairs]
    found = small.similarity([wnids[a] for a, _ in pairs], [wnids[b] for _, b in pairs], measure)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.isnan(expected).sum() == 2 * (len(DIAMONDS) - 1)


def test_the_peculiarities_of_wu_and_palmer_are_there(tmp_path, write_nouns):
    wnids = write_nouns(tmp_path, DIAMONDS)
    small = WordNet(tmp_path)
    own = small.similarity([wnids["dog"]], [wnids["dog"]])
    assert own[0] < 1  # its beast lies deeper than the dog itself, by the shortest way
    assert small.similarity([wnids["dog"]], [wnids["dog"]], "path")[0] == 1


def test_the_matrix_holds_the_pairs(wordnet):
    chosen = list(imagenet_class_ids()[::97])
    for measure in MEASURES:
        matrix = wordnet.matrix(chosen, measure)
        np.testing.assert_array_equal(matrix, matrix.T)
        for row, wnid in enumerate(chosen):
            pairs = wordnet.similarity([wnid] * (len(chosen) - row), chosen[row:], measure)
            np.testing.assert_array_equal(matrix[row, row:], pairs)
    assert wordnet.matrix([]).shape == (0, 0)


def test_chunks_change_nothing(wordnet, monkeypatch):
    rng = np.random.default_rng(3)
    first, second = ([wordnet.wnids[k] for k in rng.integers(0, 82115, 50)] for _ in range(2))
    whole = {measure: wordnet.similarity(first, second, measure) for measure in MEASURES}
    monkeypatch.setattr("invariscope.effects.wordnet._CHUNK_ELEMENTS", 1)
    for measure, expected in whole.items():
        np.testing.assert_array_equal(wordnet.similarity(first, second, measure), expected)


def test_every_class_of_imagenet_is_its_own_synset(wordnet):
    for wnid, names in zip(imagenet_class_ids(), imagenet_class_names(), strict=True):
        assert wnid in wordnet
        assert wordnet.synset_of(wnid) == wnid
        assert wordnet.synset_of(names[0]) == wnid
        assert wordnet.synset_of(names[0].replace(" ", "_")) == wnid
        if names[-1] != "crane":  # two classes of the same words
            assert wordnet.synset_of(names[-1]) == wnid


@pytest.mark.parametrize(
    ("class_name", "synset"),
    [
        ("crane", "crane.n.04"),  # the machine, not Stephen Crane, the first sense
        ("Crane_Bird", "crane.n.05"),
        ("maillot", "maillot.n.02"),
        ("maillot, tank suit", "maillot.n.01"),
        ("Cardigan", "cardigan.n.02"),
        ("cardigan", "cardigan.n.01"),
        ("mouse", "mouse.n.04"),
        ("mouse.n.01", "mouse.n.01"),
        ("automobile", "car.n.01"),
        ("Airplane", "airplane.n.01"),
        ("  frog ", "frog.n.01"),
        ("N02084071", "dog.n.01"),
    ],
)
def test_class_names(wordnet, class_name, synset):
    assert wordnet.name(wordnet.synset_of(class_name)) == synset


def test_what_is_no_noun_is_none(wordnet):
    for name in ("T-shirt/top", "class 3", "", "n00000001", "mouse.n.00", "mouse.n.05", "quickly"):
        assert wordnet.synset_of(name) is None


def test_messages(tmp_path, write_nouns, monkeypatch):
    with pytest.raises(InputError, match=r"cannot read .*data.noun: No such file.*wordnet-base"):
        WordNet(tmp_path / "nowhere")
    monkeypatch.setattr("invariscope.effects.wordnet.standard_folders", lambda: [tmp_path / "x"])
    with pytest.raises(InputError, match=r"no WordNet in .*x or NLTK's corpora: install Debian's"):
        WordNet()
    write_nouns(tmp_path / "new", {"entity": []}, version="3.1")
    with pytest.raises(
        InputError, match=r"data.noun is WordNet 3.1: ImageNet's ids are of WordNet 3"
    ):
        WordNet(tmp_path / "new")
    write_nouns(tmp_path, {"entity": [], "egg": ["hen"], "hen": ["egg"]})
    with pytest.raises(
        InputError, match=r"damaged \(the hypernyms: some synsets are their own anc"
    ):
        WordNet(tmp_path)
    wnids = write_nouns(tmp_path, DIAMONDS)
    small = WordNet(tmp_path)
    dog = wnids["dog"]
    with pytest.raises(
        InputError, match=r"'n00000007' is no noun synset of .*: give a wnid such as"
    ):
        small.similarity([dog], ["n00000007"])
    with pytest.raises(InputError, match=r"'dog' is no noun synset"):
        small.hypernyms("dog")
    with pytest.raises(InputError, match=r"measure 'jcn': wup, path, lch work"):
        small.similarity([dog], [dog], "jcn")
    with pytest.raises(InputError, match=r"1 synsets against 2: give as many of each"):
        small.similarity([dog], [dog, dog])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "03 n 01 pet",
            "03 v 01 pet",
            r"data.noun is damaged \(line 6\): install WordNet 3.0 again",
        ),
        ("01 pet 0 001", "01 pet 0 004", r"\(line 6\)"),
        ("| a thing  \n", "", r"\(line 3\)"),
        ("001 @ 00000058", "001 @ 00000059", r"\(a pointer to 00000059\)"),
    ],
)
def test_damaged_files_are_named(tmp_path, write_nouns, old, new, message):
    write_nouns(tmp_path, DIAMONDS)
    path = tmp_path / "data.noun"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        WordNet(tmp_path)
    path.write_text("")
    with pytest.raises(InputError, match=r"\(the whole file: it has no synset\)"):
        WordNet(tmp_path)


def test_a_damaged_index_is_named(tmp_path, write_nouns):
    wnids = write_nouns(tmp_path, DIAMONDS)
    path = tmp_path / "index.noun"
    path.write_text(
        path.read_text().replace(f"pet n 1 1 @ 1 0 {wnids['pet'][1:]}", "pet n 1 1 @ 1 0 7")
    )
    with pytest.raises(InputError, match=r"index.noun is damaged \(the line of 'pet'\)"):
        WordNet(tmp_path).synset_of("pet")
