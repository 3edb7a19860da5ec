"""A crew gives blocks to whoever is free; who dies costs one block. Workers here are threads."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from invariscope.errors import InputError, RunError
from invariscope.runs.crew import measured_by
from invariscope.runs.elsewhere import Opened
from invariscope.runs.measured import Measured, Wanted

SAME = Opened(("identity",), {0: "digest"})


class Dead(Exception):
    """What a worker's futures raise that has died."""


class Hand:
    def __init__(self, crew, place):
        self.crew, self.place, self.pool = crew, place, ThreadPoolExecutor(1)

    def open(self):
        return self.pool.submit(lambda: self.crew.prepared.get(self.place, SAME))

    def measure(self, wanted):
        return self.pool.submit(self.crew.measure, self.place, wanted)

    def stop(self):
        self.crew.stopped += 1
        self.pool.shutdown(wait=False)


class Hands:
    what = "hand"
    lost: tuple[type[BaseException], ...] = (Dead,)

    def __init__(self, size, deaths=(), prepared=()):
        self.size, self.deaths = size, Counter(deaths)
        self.prepared = dict(prepared)
        self.hired, self.stopped, self.closed = [], 0, 0
        self.slow = threading.Event()

    def hire(self, place):
        self.hired.append(place)
        return Hand(self, place)

    def measure(self, place, wanted):
        number = wanted.number
        if self.deaths[number]:
            self.deaths[number] -= 1
            raise Dead
        if number == 0 and self.size == 3:
            assert self.slow.wait(20)
        table = pa.table({"place": [place]})
        every = [Measured(job, number, table, [], [], [], 1, 0, 1) for job in wanted.jobs]
        return every, [(job, f"line of {number}") for job in wanted.jobs]

    def close(self):
        self.closed += 1


def measured(hands, numbers, note=lambda line: None):
    return measured_by(hands, SAME, [Wanted(number, (0,)) for number in numbers], [note])


def test_nobody_waits_for_a_slow_one():
    hands, notes = Hands(3), []
    numbers = []
    for block in measured(hands, range(7), notes.append):
        numbers.append(block.number)
        if len(numbers) == 6:
            hands.slow.set()
    assert sorted(numbers[:6]) == [1, 2, 3, 4, 5, 6]  # measured meanwhile
    assert numbers[6] == 0
    assert sorted(notes) == [f"line of {number}" for number in range(7)]
    assert hands.hired == [0, 1, 2]
    assert hands.stopped == 3
    assert hands.closed == 1


def test_no_more_workers_than_blocks():
    hands = Hands(5)
    assert [block.number for block in measured(hands, [4])] == [4]
    assert hands.hired == [0]


def test_a_block_whose_worker_died_is_measured_again_by_another():
    hands, notes = Hands(1, deaths=[2, 2]), []
    numbers = [block.number for block in measured(hands, range(4), notes.append)]
    assert numbers == [0, 1, 2, 3]
    assert hands.hired == [0, 0, 0]
    again = "hand 1 died while it measured block 2: another one does it again"
    assert notes.count(again) == 2


def test_a_block_that_kills_three_workers_ends_the_run():
    hands = Hands(2, deaths=[1, 1, 1])
    with pytest.raises(RunError, match=r"measured block 1, for the 3rd time .*is kept"):
        list(measured(hands, range(9)))
    assert hands.stopped == len(hands.hired)
    assert hands.closed == 1


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Opened(("another",), {0: "digest"}), "hand 2 has other weights, another version"),
        (Opened(("identity",), {0: "other", 1: "x"}), "hand 2 reads other pictures"),
    ],
)
def test_a_worker_that_has_prepared_something_else_is_refused(other, message):
    with pytest.raises(InputError, match=message):
        list(measured(Hands(2, prepared={1: other}), range(9)))


def test_who_stops_early_stops_all():
    hands = Hands(2)
    ended = measured(hands, range(9))
    next(ended)
    ended.close()
    assert hands.stopped == 2
    assert hands.closed == 1


def test_a_block_of_several_jobs_comes_back_for_each_and_notes_find_theirs():
    hands, own, other = Hands(1, deaths=[1]), [], []
    wanted = [Wanted(0, (0, 1)), Wanted(1, (1,))]
    blocks = list(measured_by(hands, SAME, wanted, [own.append, other.append]))
    assert [(block.job, block.number) for block in blocks] == [(0, 0), (1, 0), (1, 1)]
    again = "hand 1 died while it measured block 1: another one does it again"
    assert own == ["line of 0", again]
    assert other == ["line of 0", again, "line of 1"]
