"""What stands around every page: language, theme, headers, static files, pages of errors."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.db import OperationalError
from django.test import Client

from merpati import console

NOT_FOUND = {"en": "There is no such page", "id": "Halaman ini tidak ada"}


@pytest.fixture
def client(db: None) -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_page_comes_in_the_language_that_the_browser_asks_for(
    client: Client, language: str
) -> None:
    answer = client.get("/nothing", headers={"accept-language": f"{language};q=0.8"})
    assert answer.status_code == 404
    assert answer["Content-Language"] == language
    text = answer.content.decode()
    assert f'<html lang="{language}"' in text
    assert NOT_FOUND[language] in text


def test_the_language_switch_is_remembered_and_leads_back(client: Client) -> None:
    answer = client.post("/language", {"language": "id", "next": "/nothing?a=1"})
    assert (answer.status_code, answer["Location"]) == (302, "/nothing?a=1")
    again = client.get("/nothing", headers={"accept-language": "en"})
    assert NOT_FOUND["id"] in again.content.decode()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:0"])
def test_a_switch_leads_to_no_other_host(client: Client, elsewhere: str) -> None:
    assert client.post("/theme", {"theme": "dark", "next": elsewhere})["Location"] == "/"


@pytest.mark.parametrize("path", ["/language", "/theme"])
def test_switches_act_by_post_with_known_values_alone(client: Client, path: str) -> None:
    assert client.get(path).status_code == 405
    assert client.post(path, {path[1:]: "xx"}).status_code == 400


def test_the_theme_is_remembered(client: Client) -> None:
    assert 'data-theme="system"' in client.get("/nothing").content.decode()
    client.post("/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in client.get("/nothing").content.decode()


def test_pages_allow_no_inline_script_and_no_frame(client: Client) -> None:
    answer = client.get("/nothing")
    directives = dict(
        part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";")
    )
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert " style=" not in answer.content.decode()


def test_an_error_page_names_the_request_as_the_header_does(client: Client) -> None:
    answer = client.get("/nothing")
    assert f"<code>{answer['X-Request-Id']}</code>" in answer.content.decode()
    assert answer["X-Request-Id"] != client.get("/nothing")["X-Request-Id"]


def test_static_files_have_hashed_names_and_are_kept_for_ever(client: Client) -> None:
    page = client.get("/nothing").content.decode()
    (address,) = re.findall(r'href="(/static/console/console\.[0-9a-f]{12}\.css)"', page)
    answer = client.get(address)
    assert answer.status_code == 200
    assert b"@layer" in b"".join(answer.streaming_content)
    assert "immutable" in answer["Cache-Control"]
    assert client.get("/static/console/console.css").status_code == 404


def test_a_form_without_its_token_changes_nothing(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/language", {"language": "id"}, headers={"accept-language": "en"})
    assert answer.status_code == 403
    assert "no longer valid" in answer.content.decode()
    assert "merpati_language" not in answer.cookies


def test_who_is_not_signed_in_is_led_there_and_back(client: Client) -> None:
    assert client.get("/?tab=1")["Location"] == "/sign-in?next=%2F%3Ftab%3D1"


def test_comments_of_templates_are_not_shown() -> None:
    """One over several lines would be text; those are written with `comment`."""
    templates = list(Path(console.__file__).parent.rglob("*.html"))
    assert len(templates) > 10
    assert [file for file in templates if re.search(r"{#[^#]*\n", file.read_text())] == []


def test_files_of_others_are_as_they_were_published() -> None:
    folder = Path(console.__file__).parent / "static" / "console"
    listed = tomllib.loads((folder / "VENDORED.toml").read_text())["file"]
    assert len(listed) == 2
    for file in listed:
        digest = hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest()
        assert digest == file["sha256"], file["name"]


def test_a_defect_shows_its_request_and_no_trace(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("merpati.console.views.calendar.desk_now", broken)
    monkeypatch.setattr("merpati.console.views.calendar.services", Mock())
    answer = client.get("/calendar/uk")
    text = answer.content.decode()
    assert answer.status_code == 500
    assert answer["X-Request-Id"] in text
    assert "secret detail" not in text
    assert "Traceback" not in text
    assert f"defect request={answer['X-Request-Id']} path=/calendar/uk" in caplog.text


def test_a_database_that_cannot_answer_is_said(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("merpati.console.views.calendar.desk_now", locked)
    monkeypatch.setattr("merpati.console.views.calendar.services", Mock())
    answer = client.get("/calendar/uk")
    assert answer.status_code == 503
    assert "was not stored" in answer.content.decode()
