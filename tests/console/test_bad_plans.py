"""Each way in which a plan can be wrong: told with its line and field, and nothing is changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from merpati.sending.egresses import add_egress
from tests.console.conftest import Browser
from tests.desk.cases import BY, MONDAY, Desk
from tests.support.control import everything_stored

HEAD = "stream,provider,messages_per_day,target_per_day,starts_on\n"
GOOD = HEAD + "news,gmail.com,900,1000,2026-12-14\n"
FORM = {"source": "csv", "starts_on": "2026-12-14", "name": "Move", "egress": "old", "keep": "1"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(GOOD + "b\xfcro,yahoo,1,1,\n", "line 3: ", id="wrong encoding"),
        pytest.param(GOOD.encode("utf-16"), "line 1: ", id="UTF-16"),
        pytest.param("news,gmail.com,900\n", "line 1: ", id="no header"),
        pytest.param(HEAD + "news,yahoo,-5,,\n", "line 2, messages_per_day: -5", id="negative"),
        pytest.param(
            HEAD + f"news,yahoo,{'9' * 30},,\n", "line 2, messages_per_day: 999", id="enormous"
        ),
        pytest.param(GOOD + "news,google,1,1,\n", "line 3, provider: ", id="a provider twice"),
        pytest.param(HEAD + "a,google,1,1,\n" * 1_000_000, "line 1: ", id="a million rows"),
        pytest.param(
            HEAD + "".join(f"a{n},google,1,1,\n" for n in range(600)), "line 502: ", id="600 rows"
        ),
        pytest.param(
            HEAD + "news,yahoo,1,1,2020-01-31\n", "line 2, starts_on: 2020-01-31", id="in the past"
        ),
        pytest.param(
            HEAD + "news,yahoo,100,99,\n",
            "line 2, target_per_day: the target of 99",
            id="a target below today's",
        ),
        pytest.param("", "line 1: ", id="empty"),
        pytest.param(b"\x00" * 200, "line 1: ", id="no text at all"),
    ],
)
def test_a_file_that_is_no_plan_is_told_by_line_and_field_and_changes_nothing(
    owner: Browser, desk: Desk, data: str | bytes, told: str
) -> None:
    add_egress(desk.account.pk, "old", "smtp.old.example", 587, by=BY, now=MONDAY)
    owner.page("/migrations")  # what a first page stores
    before = everything_stored()
    raw = data if isinstance(data, bytes) else data.encode("latin-1")
    answer = owner.post("/migrations/new", FORM | {"file": SimpleUploadedFile("plan.csv", raw)})
    problems = re.findall(r"<li>(.*?)</li>", answer.content.decode())
    assert answer.status_code == 422
    assert any(one.startswith(told) and len(one) > len(told) + 10 for one in problems), problems
    assert everything_stored() == before


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param({"starts_on": "2020-01-31"}, "starts_on: 2020-01-31", id="in the past"),
        pytest.param({"starts_on": "2099-01-31"}, "Choose a first day within a year", id="far off"),
        pytest.param({"name": ""}, "Give a name", id="no name"),
        pytest.param({"egress": "gone"}, "The old provider is not set up", id="no old provider"),
    ],
)
def test_a_form_that_is_no_plan_is_told_and_changes_nothing(
    owner: Browser, desk: Desk, form: dict[str, Any], told: str
) -> None:
    add_egress(desk.account.pk, "old", "smtp.old.example", 587, by=BY, now=MONDAY)
    owner.page("/migrations")
    before = everything_stored()
    answer = owner.post("/migrations/new", FORM | {"csv": GOOD} | form)
    assert (answer.status_code, told in answer.content.decode()) == (422, True)
    assert everything_stored() == before
