"""A crew gives blocks to whoever is free; who dies costs one block. Workers here are threads."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from invariscope.errors import InputError, RunError
from invariscope.runs.crew import measured_by
from invariscope.runs.elsewhere import Opened
from invariscope.runs.measured import Measured

SAME = Opened("identity", {0: "digest"})


class Dead(Exception):
    """What a worker's futures raise that has died."""


class Hand:
    def __init__(self, crew, place):
        self.crew, self.place, self.pool = crew, place, ThreadPoolExecutor(1)

    def open(self):
        return self.pool.submit(lambda: self.crew.prepared.get(self.place, SAME))

    def measure(self, number):
        return self.pool.submit(self.crew.measure, self.place, number)

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

    def measure(self, place, number):
        if self.deaths[number]:
            self.deaths[number] -= 1
            raise Dead
        if number == 0 and self.size == 3:
            assert self.slow.wait(20)
        done = Measured(number, pa.table({"place": [place]}), [], [], [], 1, 0, 1)
        return done, [f"line of {number}"]

    def close(self):
        self.closed += 1


def test_nobody_waits_for_a_slow_one():
    hands, notes = Hands(3), []
    numbers = []
    for measured in measured_by(hands, SAME, range(7), notes.append):
        numbers.append(measured.number)
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
    assert [m.number for m in measured_by(hands, SAME, [4], lambda line: None)] == [4]
    assert hands.hired == [0]


def test_a_block_whose_worker_died_is_measured_again_by_another():
    hands, notes = Hands(1, deaths=[2, 2]), []
    numbers = [measured.number for measured in measured_by(hands, SAME, range(4), notes.append)]
    assert numbers == [0, 1, 2, 3]
    assert hands.hired == [0, 0, 0]
    again = "hand 1 died while it measured block 2: another one does it again"
    assert notes.count(again) == 2


def test_a_block_that_kills_three_workers_ends_the_run():
    hands = Hands(2, deaths=[1, 1, 1])
    with pytest.raises(RunError, match=r"measured block 1, for the 3rd time .*is kept"):
        list(measured_by(hands, SAME, range(9), lambda line: None))
    assert hands.stopped == len(hands.hired)
    assert hands.closed == 1


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Opened("another", {0: "digest"}), "hand 2 has other weights, another version"),
        (Opened("identity", {0: "other", 1: "x"}), "hand 2 reads other pictures"),
    ],
)
def test_a_worker_that_has_prepared_something_else_is_refused(other, message):
    with pytest.raises(InputError, match=message):
        list(measured_by(Hands(2, prepared={1: other}), SAME, range(9), lambda line: None))


def test_who_stops_early_stops_all():
    hands = Hands(2)
    ended = measured_by(hands, SAME, range(9), lambda line: None)
    next(ended)
    ended.close()
    assert hands.stopped == 2
    assert hands.closed == 1
