"""Which line a composed message is given to, when one of them is full."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from merpati.delivery.destinations import Destination, Host
from merpati.delivery.ready_queue import LocalPool, ReadyQueue
from merpati.delivery.sending_ip import LocalIp
from tests.support.worker import StepClock

ONE, OTHER = LocalIp("127.0.0.2", "mta-2", None), LocalIp("127.0.0.3", "mta-3", None)


@dataclass(eq=False)
class Line:
    """A line with so much room."""

    ip: LocalIp
    space: int
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


def message(name: str, bound_to: str = "") -> Any:
    return SimpleNamespace(
        name=name, row=SimpleNamespace(is_bound=bool(bound_to), last_ip=bound_to)
    )


def test_mail_bound_to_a_full_ip_keeps_no_other_mail_waiting() -> None:
    full, free = Line(ONE, 1), Line(OTHER, 2)
    lines = {ONE.address: full, OTHER.address: free}
    host: Any = SimpleNamespace(
        clock=StepClock(), policy_orders=(), line=lambda ip, _: lines[ip.address]
    )
    destination = Destination("p", (Host("mx.p.example", ("127.0.0.9",)),), 25)
    queue = ReadyQueue(host, LocalPool(1, 1, "default", (ONE, OTHER)), destination, lambda _: None)
    names = ("b1", "b2", "f1", "b3", "f2", "f3")
    waiting: Any = queue.ready
    waiting.extend(message(n, ONE.address if n.startswith("b") else "") for n in names)
    queue._assign([full, free], [0, 2])  # type: ignore[list-item]
    assert full.given == ["b1"]
    assert free.given == ["f1", "f2"]
    assert [one.name for one in waiting] == ["b2", "b3", "f3"]
