"""What the console's tests share: a desk with one case, and three people who look at it.

The owner and a colleague belong to the account, the colleague only to read; the stranger belongs to
another one. Time stands where `Clock.moment` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from merpati.accounts.models import Account, Membership, User
from merpati.adapters.crypto import SecretBox
from merpati.console import services
from merpati.desk import people
from merpati.desk.evidence import Sources
from merpati.events.campaign_outlook import Outlooks
from merpati.sending.policy import build
from tests.desk.cases import BY, MONDAY, Desk, add_person
from tests.support.control import make_account
from tests.support.gates import pass_gates


class Clock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.moment = MONDAY

    def now(self) -> int:
        return int(self.moment.timestamp() * 1000)

    def elapsed(self) -> float:
        return self.moment.timestamp()


class Browser(Client):
    """A signed-in user's browser, without scripts."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        self.user = user
        session = self.session
        pass_gates(session)
        session.save()

    def page(self, path: str, status: int = 200, **data: Any) -> str:
        """Return a page's text."""
        answer = self.get(path, data)
        assert answer.status_code == status, answer
        return answer.content.decode()


def add_user(
    name: str,
    account: Account | None = None,
    role: str = "owner",
    language: str = "en",
    time_zone: str = "Asia/Jakarta",
    staff_role: str = "",
) -> User:
    domain = "desk.example" if staff_role else "kirim.example"
    user = User.objects.create(
        email=f"{name.lower()}@{domain}",
        name=name,
        language=language,
        time_zone=time_zone,
        staff_role=staff_role,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    if account is not None:
        Membership.objects.create(user=user, account=account, role=role, created_at=user.created_at)
    return user


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(db: None, tmp_path: Path, clock: Clock, settings: Any) -> Iterator[Desk]:
    settings.DATA_DIR = tmp_path
    services.use(
        services.Services(
            clock=clock,
            secret_box=SecretBox(tmp_path / "secret.key"),
            evidence=Sources(tmp_path / "events.sqlite3", tmp_path / "spool"),
            outlooks=Outlooks(tmp_path / "spool", lambda: build("bounces.example")),
            data_dir=tmp_path,
        )
    )
    desk = Desk(tmp_path)
    tam = add_person("Tina", role="tam")
    people.assign_tam(desk.account.pk, tam.email, None, by=BY, now=MONDAY)
    yield desk
    services.use(None)


@pytest.fixture
def owner(desk: Desk) -> Browser:
    return Browser(add_user("Sari", desk.account))


@pytest.fixture
def colleague(desk: Desk) -> Browser:
    return Browser(add_user("Citra", desk.account, "viewer"))


@pytest.fixture
def stranger(desk: Desk) -> Browser:
    return Browser(add_user("Wayan", make_account()))


@pytest.fixture
def budi(desk: Desk) -> Browser:
    """The representative who is responsible for the desk's cases."""
    return Browser(add_user("Budi", staff_role="representative", time_zone="Europe/London"))


@pytest.fixture
def tina(desk: Desk) -> Browser:
    """The account's TAM."""
    return Browser(add_user("Tina", staff_role="tam", time_zone="Europe/London"))


@pytest.fixture
def boss(desk: Desk) -> Browser:
    """An administrator who is no person of the desk."""
    return Browser(add_user("Putu", staff_role="administrator"))
