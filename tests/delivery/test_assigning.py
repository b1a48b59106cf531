"""Which line a composed message is given to, when one of them is full."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from merpati.delivery.destinations import Destination, Host
from merpati.delivery.ip_choice import LocalPool
from merpati.delivery.ready_queue import ReadyQueue
from merpati.delivery.sending_ip import LocalIp
from tests.support.worker import StepClock

ONE, OTHER = LocalIp("127.0.0.2", "mta-2", None), LocalIp("127.0.0.3", "mta-3", None)


@dataclass(eq=False)
class Line:
    """A line with so much room."""

    ip: LocalIp
    space: int
    is_warming: bool = False
    is_allowed: bool = True
    given: list[str] = field(default_factory=list)

    @property
    def lane(self) -> Any:
        return SimpleNamespace(ip=self.ip, learned=None)

    def is_usable(self, now: float) -> bool:
        return True

    def room(self) -> int:
        return self.space - len(self.given)

    def assign(self, message: Any) -> None:
        self.given.append(message.name)

    def kick(self) -> None:
        pass


def message(name: str, bound_to: str = "", tier: int = 0) -> Any:
    return SimpleNamespace(
        name=name,
        row=SimpleNamespace(is_bound=bool(bound_to), last_ip=bound_to),
        feed=SimpleNamespace(key=SimpleNamespace(tier=tier)),
    )


def queue_of(one: Line, other: Line, *waiting: Any) -> ReadyQueue:
    lines = {ONE.address: one, OTHER.address: other}
    host: Any = SimpleNamespace(
        clock=StepClock(), policy_orders=(), line=lambda ip, _: lines[ip.address]
    )
    destination = Destination("p", (Host("mx.p.example", ("127.0.0.9",)),), 25)
    queue = ReadyQueue(host, LocalPool(1, 1, "default", (ONE, OTHER)), destination, lambda _: None)
    queue.ready.extend(waiting)
    return queue


def test_a_warming_ip_takes_only_the_best_of_what_is_ready() -> None:
    cold, warm = Line(ONE, 9, is_warming=True), Line(OTHER, 2)
    tiers = (5, 1, 3, 1, 1, 5, 5)
    waiting = [message(f"t{tier}", tier=tier) for tier in tiers]
    queue = queue_of(cold, warm, *waiting)
    queue._assign([cold, warm], [9, 2])  # type: ignore[list-item]
    assert set(cold.given) == {"t1"}
    assert len(warm.given) == 2
    left: Any = queue.ready
    assert "t1" not in {message.name for message in left}


def test_mail_bound_to_a_full_ip_keeps_no_other_mail_waiting() -> None:
    full, free = Line(ONE, 1), Line(OTHER, 2)
    names = ("b1", "b2", "f1", "b3", "f2", "f3")
    queue = queue_of(
        full, free, *(message(n, ONE.address if n.startswith("b") else "") for n in names)
    )
    queue._assign([full, free], [0, 2])  # type: ignore[list-item]
    assert full.given == ["b1"]
    assert free.given == ["f1", "f2"]
    left: Any = queue.ready
    assert [one.name for one in left] == ["b2", "b3", "f3"]
