"""Where the control data are, as `database.url` says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.control.django_database import django_database
from merpati.control.place import PostgresPlace, SqlitePlace, parse_url, place_of

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://db.example/m", PostgresPlace("m", host="db.example")),
        ("postgres://ani@db:5433/m", PostgresPlace("m", "ani", "", "db", 5433)),
        ("postgresql://ani:a%23%2Fb@[::1]/m", PostgresPlace("m", "ani", "a#/b", "::1")),
        (
            "postgresql:///m?host=/run/postgresql&sslmode=require",
            PostgresPlace("m", parameters=(("host", "/run/postgresql"), ("sslmode", "require"))),
        ),
    ],
)
def test_a_url_names_a_database(url: str, place: PostgresPlace) -> None:
    assert parse_url(url) == place
    assert parse_url(str(place)) == PostgresPlace(
        place.name, place.user, "", place.host, place.port, place.parameters
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"mysql://ani:{SECRET}@db/m", "must begin with postgresql://"),
        (f"postgresql://ani:{SECRET}@db", "must name one database"),
        (f"postgresql://ani:{SECRET}@db/", "must name one database"),
        (f"postgresql://ani:{SECRET}@db/a/b", "must name one database"),
        (f"postgresql://ani:{SECRET}@db:port/m", "no URL with a host and a port"),
        (f"postgresql://ani:{SECRET}#1@db/m", "no URL with a host and a port"),
        (f"postgresql://ani:{SECRET}@db/m#1", "write that as %23"),
        (f"postgresql://ani:{SECRET}@db/m?options=-c", "has the parameter 'options'"),
        (f"postgresql://ani:{SECRET}%00@db/m", "NUL"),
        (f"postgresql://ani:{SECRET}@[db/m", "no URL with a host and a port"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        parse_url(url)
    assert SECRET not in str(refusal.value)


def test_no_text_of_a_place_tells_the_password() -> None:
    place = parse_url(f"postgresql://ani:{SECRET}@db/m")
    assert SECRET not in f"{place} {place!r}"
    assert place.connection()["password"] == SECRET


def test_only_a_transfer_may_be_idle_in_its_transaction() -> None:
    place = parse_url("postgresql:///m")
    assert isinstance(place, PostgresPlace)
    for entry, seconds in (
        (django_database(place), 120),
        (django_database(place, is_long=True), 0),
        (django_database(place, is_long=True, for_one_moment=True), 0),
    ):
        limit = f"idle_in_transaction_session_timeout={seconds}s"
        assert entry["OPTIONS"]["options"].endswith(limit)


def test_without_a_url_the_data_folder_has_its_own_file(tmp_path: Path) -> None:
    assert place_of(tmp_path, "") == SqlitePlace(tmp_path / "control.sqlite3")
