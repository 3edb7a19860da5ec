"""Every file that commands leave, damaged or exchanged for another run's, and all its readers.

Each command then ends with 0 (what was damaged is computed again, or not needed, and every number
is as before) or with 2 or 3 and one line that names the file. `damage_table` does it.
"""

import json

import pytest

from damage_table import READERS


@pytest.fixture(scope="module")
def few(tmp_path_factory, alone):
    """What went wrong after two damages of each kind of folder."""
    return json.loads(alone(tmp_path_factory.mktemp("few"), "damage_table.py", "2", *READERS))


@pytest.mark.parametrize("kind", READERS)
def test_a_few_damages_are_named_or_mended(kind, few):
    assert few[kind] == []


@pytest.mark.faults
@pytest.mark.parametrize("kind", READERS)
def test_every_damage_is_named_or_mended(kind, tmp_path, alone):
    found = json.loads(alone(tmp_path, "damage_table.py", "every", kind))
    assert found[kind] == []
