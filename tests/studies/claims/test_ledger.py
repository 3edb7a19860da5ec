import pytest

from invariscope.errors import InputError
from invariscope.studies.claims import CLAIMS, PAPERS, get_claim
from invariscope.studies.lab.study import BUILT_IN


def test_the_ledger_holds_all_46():
    numbers = {"000": 18, "002": 10, "003": 8, "004": 10}
    expected = [f"{paper}.c{n + 1}" for paper, count in numbers.items() for n in range(count)]
    assert list(CLAIMS) == expected
    assert {claim.paper for claim in CLAIMS.values()} == set(PAPERS)


def test_each_claim_says_what_and_how_and_where():
    for claim in CLAIMS.values():
        assert claim.section
        assert claim.statement
        assert claim.rule
        assert claim.study in BUILT_IN


def test_an_unknown_claim_lists_the_nearest():
    with pytest.raises(InputError, match=r"unknown claim '000.c99': did you mean 000"):
        get_claim("000.c99")
