"""Dead addresses are tried last, looked at again one at a time, and forgotten once they work."""

from __future__ import annotations

from merpati.delivery.host_memory import LONGEST_REST, MOST_REMEMBERED, HostMemory

ONE, TWO, THREE = ("mx1", "192.0.2.1"), ("mx2", "192.0.2.2"), ("mx2", "192.0.2.3")
ALL = (ONE, TWO, THREE)


def test_nothing_known_changes_nothing() -> None:
    assert HostMemory().order(ALL, 0.0) == list(ALL)


def test_a_dead_address_is_tried_last_until_its_rest_is_over() -> None:
    memory = HostMemory()
    memory.failed(ONE[1], 0.0)
    assert memory.order(ALL, 59.9) == [TWO, THREE, ONE]
    assert memory.order(ALL, 60.0) == [ONE, TWO, THREE]


def test_one_connection_alone_looks_again() -> None:
    memory = HostMemory()
    memory.failed(ONE[1], 0.0)
    assert memory.order(ALL, 60.0)[0] == ONE
    assert memory.order(ALL, 60.1)[0] == TWO
    assert memory.order(ALL, 120.0)[0] == ONE  # whoever looked has not come back


def test_each_failed_look_doubles_the_rest_and_volleys_count_once() -> None:
    memory = HostMemory()
    for now in (0.0, 0.1, 30.0):
        memory.failed(ONE[1], now)
    assert memory.order(ALL, 60.0)[0] == ONE
    memory.failed(ONE[1], 70.0)
    assert memory.order(ALL, 189.9)[0] == TWO
    assert memory.order(ALL, 190.0)[0] == ONE


def test_the_rest_has_an_end() -> None:
    memory, now = HostMemory(), 0.0
    for _ in range(50):
        memory.failed(ONE[1], now)
        now += LONGEST_REST
        assert memory.order(ALL, now)[0] == ONE


def test_an_address_that_worked_is_in_its_place() -> None:
    memory = HostMemory()
    memory.failed(ONE[1], 0.0)
    memory.worked(ONE[1])
    assert memory.order(ALL, 1.0) == list(ALL)


def test_all_dead_are_still_tried_and_memory_is_bounded() -> None:
    memory = HostMemory()
    for pair in ALL:
        memory.failed(pair[1], 0.0)
    assert memory.order(ALL, 1.0) == list(ALL)
    for number in range(MOST_REMEMBERED):
        memory.failed(f"host-{number}", 0.0)
    assert memory.order(ALL, 1.0) == list(ALL)
    assert len(memory._dead) == MOST_REMEMBERED
