from __future__ import annotations

import pytest

from merpati.accounts.models import AuditEntry
from merpati.adapters.crypto import SecretBox
from merpati.sending import policy
from merpati.sending.errors import InvalidValue, RouteExists, RouteNotFound
from merpati.sending.models import StaticRoute
from merpati.sending.routes import (
    add_route,
    checked_login,
    checked_pattern,
    parse_rate,
    parse_target,
    remove_route,
)
from tests.support.control import BY, NOW

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("*", "*"),
        ("Corp.Example", "corp.example"),
        ("*.Corp.Example.", "*.corp.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_pattern_is_stored_in_one_spelling(text: str, stored: str) -> None:
    assert checked_pattern(text) == stored


@pytest.mark.parametrize("text", ["", "**", "*.", "*.*.example", "a.*.example", "corp", "*corp.x"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_pattern(text)
    assert refused.value.field == "pattern"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:2526", ("127.0.0.1", 2526)),
        ("Relay.Corp.Example:25", ("relay.corp.example", 25)),
        ("[2001:db8::25]:25", ("2001:db8::25", 25)),
    ],
)
def test_a_target_is_read(text: str, target: tuple[str, int]) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "relay", "relay:", "relay:0", "relay:65536", "2001:db8::25:25", "a b:25", ":25"]
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_target(text)
    assert refused.value.field == "host"


def test_a_rate_is_messages_a_minute() -> None:
    assert parse_rate("300/min") == parse_rate(" 300") == 300
    for text in ("", "fast", "300/h", "-1", "1.5", "٣"):
        with pytest.raises(InvalidValue, match="300/min"):
            parse_rate(text)


def test_a_route_is_added_once_and_removed_once() -> None:
    add_route("*", "127.0.0.1", 2526, by=BY, now=NOW)
    with pytest.raises(RouteExists, match="--replace"):
        add_route("*", "127.0.0.2", 25, by=BY, now=NOW)
    remove_route("*", by=BY, now=NOW)
    with pytest.raises(RouteNotFound, match="merpati route list"):
        remove_route("*", by=BY, now=NOW)
    assert not StaticRoute.objects.exists()
    trail = AuditEntry.objects.order_by("pk").values_list("action", "subject", "account_id")
    assert list(trail) == [("add_route", "*", None), ("remove_route", "*", None)]


def test_a_route_is_replaced_in_one_step() -> None:
    add_route("*", "127.0.0.1", 2526, by=BY, now=NOW, connections=3)
    before = policy.current_version()
    add_route("*", "127.0.0.2", 25, by=BY, now=NOW, replace=True)
    (route,) = StaticRoute.objects.all()
    assert (route.host, route.port, route.connections) == ("127.0.0.2", 25, None)
    assert policy.current_version() == before + 1


@pytest.mark.parametrize("limit", [0, -1, 1_000_001])
def test_a_limit_that_is_none_is_refused(limit: int) -> None:
    with pytest.raises(InvalidValue, match="connections must be between"):
        add_route("*", "127.0.0.1", 25, connections=limit, by=BY, now=NOW)
    with pytest.raises(InvalidValue, match="rate must be between"):
        add_route("*", "127.0.0.1", 25, messages_per_minute=limit, by=BY, now=NOW)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> SecretBox:
    return SecretBox(tmp_path_factory.mktemp("keys") / "secret.key")


@pytest.mark.parametrize(
    ("tls", "host", "has_login", "mode"),
    [
        pytest.param(None, "relay.example", False, "opportunistic", id="default"),
        pytest.param(None, "relay.example", True, "verify", id="default with a login"),
        pytest.param("required", "relay.example", True, "required", id="required"),
        pytest.param("none", "127.0.0.1", True, "none", id="this host"),
        pytest.param("opportunistic", "localhost", True, "opportunistic", id="this host by name"),
        pytest.param("none", "relay.example", True, None, id="a password in the clear"),
        pytest.param("opportunistic", "8.8.8.8", True, None, id="perhaps in the clear"),
        pytest.param("strict", "relay.example", False, None, id="no such mode"),
    ],
)
def test_tls_fits_the_login(
    box: SecretBox, tls: str | None, host: str, has_login: bool, mode: str | None
) -> None:
    login = checked_login("kirim", "secret", box) if has_login else None
    if mode is None:
        with pytest.raises(InvalidValue) as refused:
            add_route("*", host, 25, tls=tls, login=login, by=BY, now=NOW)
        assert refused.value.field == "tls"
        assert not StaticRoute.objects.exists()
        return
    assert add_route("*", host, 25, tls=tls, login=login, by=BY, now=NOW).tls == mode
    (route,) = policy.build("b.example").routes
    assert route.tls == mode
    assert route.username == ("kirim" if has_login else "")
    assert box.decrypt(route.password) == b"secret" if has_login else route.password == b""
    assert "secret" not in str(AuditEntry.objects.get().detail)


@pytest.mark.control_database
@pytest.mark.parametrize(
    ("user", "password", "field"),
    [
        ("", "p", "user"),
        ("a" * 256, "p", "user"),
        ("a\r\nQUIT", "p", "user"),
        ("kirim", "", "password"),
        ("kirim", "a\0b", "password"),
        ("kirim", "a\nb", "password"),
    ],
)
def test_a_login_that_cannot_be_said_is_refused(
    box: SecretBox, user: str, password: str, field: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_login(user, password, box)
    assert refused.value.field == field
