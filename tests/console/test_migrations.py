"""Migrations on the console: planned, watched and steered; by whom they belong to, and the desk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from merpati.events.digest import Digest
from merpati.events.provider_days import COLUMNS, number_of
from merpati.events.store import EventStore, reading
from merpati.plans.migration import actions
from merpati.plans.migration.step import decide_day
from merpati.plans.models import Migration
from merpati.reputation.migration_plan import Flow, Traffic
from merpati.sending.egresses import add_egress
from merpati.sending.sending_ips import add_sending_ip
from tests.console.conftest import Browser
from tests.desk.cases import BY, MONDAY, Desk

CSV = "stream,provider,messages_per_day\nnews,gmail.com,900\n"
IP = "192.0.2.10"
TODAY = MONDAY.date()


@pytest.fixture
def draft(desk: Desk) -> Migration:
    add_sending_ip(desk.account.pk, IP, "mta1.kirim.example", by=BY, now=MONDAY)
    add_egress(desk.account.pk, "old", "smtp.old.example", 587, by=BY, now=MONDAY)
    flows = [
        Flow(stream="news", provider=name, messages_per_day=900, target_per_day=900)
        for name in ("google", "other")
    ]
    traffic = Traffic(tuple(flows))
    return actions.create(desk.account.pk, "Move", traffic, TODAY, "old", by=BY, now=MONDAY)


def _sent(tmp_path: Path, **counts: int) -> None:
    digest = Digest(0, 0)
    row = [counts.get(name, 0) for name in COLUMNS]
    digest.provider_days[IP, number_of(TODAY), "google"] = row
    with EventStore(tmp_path / "events.sqlite3") as store:
        store.add([(digest, "nonce")])


def test_an_account_without_migrations_is_told_what_they_are(
    owner: Browser, colleague: Browser, budi: Browser
) -> None:
    assert "Plan a migration" in owner.page("/migrations")
    assert "Plan a migration" not in colleague.page("/migrations")
    assert "merpati migration create" in budi.page("/desk/migrations")


def test_a_plan_is_previewed_with_and_without_a_script(owner: Browser) -> None:
    page = owner.page("/migrations/new")
    assert "All mail from here:" in page
    assert 'href="/old-providers/new"' in page
    form = {"csv": CSV, "starts_on": "2026-12-14", "source": "csv"}
    whole = owner.post("/migrations/new", form | {"preview": "1"}).content.decode()
    assert "<h1>" in whole
    part = owner.post("/migrations/new", form, headers={"HX-Request": "true"}).content.decode()
    assert "<h1>" not in part
    assert "<svg" in part
    assert not Migration.objects.exists()


def test_a_file_goes_before_the_table(owner: Browser) -> None:
    file = SimpleUploadedFile("plan.csv", b"\xef\xbb\xbf" + CSV.encode(), "text/csv")
    form = {"csv": "nonsense", "file": file, "starts_on": "2026-12-14"}
    page = owner.post("/migrations/new", form).content.decode()
    assert "cannot be planned" not in page
    assert CSV in page


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param({"csv": CSV + "news,yahoo,-1\n"}, "line 3, messages_per_day: -1", id="csv"),
        pytest.param({"starts_on": "2020-01-01"}, "starts_on: 2020-01-01 is in the past", id="day"),
        pytest.param({"starts_on": "x"}, "starts_on: x is no date", id="no day"),
        pytest.param({"source": "observed"}, "Nothing was sent lately", id="observed"),
    ],
)
def test_what_cannot_be_planned_is_told(owner: Browser, form: dict[str, Any], told: str) -> None:
    given = {"csv": CSV, "starts_on": "2026-12-14", "source": "csv"} | form
    answer = owner.post("/migrations/new", given)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    live = owner.post("/migrations/new", given, headers={"HX-Request": "true"})
    assert (live.status_code, told in live.content.decode()) == (200, True)


def test_a_plan_is_kept_begun_and_shown(owner: Browser, draft: Migration, tmp_path: Path) -> None:
    form = {"csv": CSV, "starts_on": TODAY.isoformat(), "source": "csv", "keep": "1"}
    refused = owner.post("/migrations/new", form | {"name": "Move", "egress": "old"})
    assert "Another migration has this name" in refused.content.decode()
    kept = owner.post("/migrations/new", form | {"name": "Second", "egress": "old"})
    assert kept["Location"] == f"/migrations/{Migration.objects.get(name='Second').pk}"
    one = f"/migrations/{draft.pk}"
    assert "Start" in owner.page(one)
    assert owner.post(f"{one}/start")["Location"] == one
    _sent(tmp_path, attempted=70, delivered=50, deferred=20)
    page = owner.page(one)
    assert "<title>" in page
    assert ": 50 / 20</title>" in page
    assert "much refused" in page
    assert f"/calendar/migrations/{draft.calendar_key}.ics" in page
    assert "google" in owner.page(one, provider="google")
    again = owner.post(f"{one}/start")
    assert (again.status_code, b"in another state by now: Running" in again.content) == (409, True)


def test_a_draft_is_planned_anew(owner: Browser, draft: Migration) -> None:
    one = f"/migrations/{draft.pk}"
    editor = owner.page(f"{one}/edit")
    assert "news,google,900" in editor
    assert 'value="Move"' in editor
    form = {
        "csv": CSV, "source": "csv", "starts_on": "2026-12-14", "name": "Move", "egress": "old",
        "on_spent": "wait", "on_block": "old", "when_old_fails": "move",
    }  # fmt: skip
    owner.post(f"{one}/edit", form)  # a preview
    assert draft.cells.count() == 2
    assert owner.post(f"{one}/edit", form | {"keep": "1"})["Location"] == one
    changed = Migration.objects.get()
    assert [cell.provider for cell in changed.cells.all()] == ["google"]
    assert (changed.on_spent, changed.on_block, changed.when_old_fails) == ("wait", "old", "move")
    wrong = owner.post(f"{one}/edit", form | {"keep": "1", "egress": "gone"})
    assert b"Add it under Old providers first" in wrong.content
    actions.start(changed, by=BY, now=MONDAY)
    owner.page(f"{one}/edit", 404)


def test_a_tam_plans_for_an_account(
    tina: Browser, budi: Browser, owner: Browser, desk: Desk, draft: Migration
) -> None:
    new = f"/desk/accounts/{desk.account.pk}/migrations/new"
    assert new in tina.page("/desk/migrations", account=desk.account.pk)
    assert new not in budi.page("/desk/migrations", account=desk.account.pk)
    assert desk.account.name in tina.page(new)
    form = {"csv": CSV, "source": "csv", "starts_on": "2026-12-14", "egress": "old", "keep": "1"}
    kept = tina.post(new, form | {"name": "Second"})
    made = Migration.objects.get(name="Second")
    assert (made.account_id, made.created_by) == (desk.account.pk, "user:tina@desk.example")
    assert kept["Location"] == f"/desk/migrations/{made.pk}"
    edit = f"/desk/migrations/{made.pk}/edit"
    assert 'value="Second"' in tina.page(edit)
    budi.page(new, 403)
    budi.page(edit, 403)
    tina.page("/desk/accounts/999/migrations/new", 404)
    assert owner.get(new).status_code == owner.get(edit).status_code == 404


def test_a_customer_pauses_and_rolls_back_with_a_reason(owner: Browser, draft: Migration) -> None:
    actions.start(draft, by=BY, now=MONDAY)
    one = f"/migrations/{draft.pk}"
    refused = owner.post(f"{one}/pause", {"reason": " "})
    assert b"Say why, in 1 to 500 characters" in refused.content
    owner.post(f"{one}/pause", {"reason": "sale <week>"})
    assert "sale &lt;week&gt;" in owner.page(one)
    owner.post(f"{one}/resume")
    assert owner.post(f"{one}/hold", {"provider": "google", "reason": "x"}).status_code == 404
    assert b"Not all recipients have moved" in owner.post(f"{one}/cut-over").content
    owner.post(f"{one}/roll-back", {"reason": "we stay"})
    assert Migration.objects.get().state == "rolled_back"


def test_a_tam_decides_at_a_provider_and_a_representative_looks(
    tina: Browser, budi: Browser, draft: Migration
) -> None:
    actions.start(draft, by=BY, now=MONDAY)
    one = f"/desk/migrations/{draft.pk}"
    given = {"provider": "google", "reason": "warm before", "share": "40"}
    assert budi.post(f"{one}/raise", given).status_code == 403
    assert "Raise the share" not in budi.page(one)
    assert tina.post(f"{one}/raise", given)["Location"] == one
    assert draft.cells.get(provider="google").share == 4_000
    listed = tina.page("/desk/migrations", account=draft.account_id)
    assert "Move" in listed
    assert "Move" not in tina.page("/desk/migrations", account=draft.account_id + 1)
    page = tina.page(one)
    assert "Raised by hand from 0 % to 40 % of the recipients: warm before" in page
    refused = tina.post(f"{one}/raise", given | {"share": "30"})
    assert b"only a roll-back moves back" in refused.content
    assert b"Write a share of 0 to 100" in tina.post(f"{one}/raise", given | {"share": "x"}).content
    tina.post(f"{one}/hold", given)
    assert draft.cells.get(provider="google").held_because == "warm before"


def test_the_desk_is_told_how_to_rehearse_a_plan(
    tina: Browser, owner: Browser, tmp_path: Path, draft: Migration
) -> None:
    told = f"merpati rehearse {draft.pk} --data {tmp_path} --providers providers.toml"
    assert told in tina.page(f"/desk/migrations/{draft.pk}")
    assert "merpati rehearse" not in owner.page(f"/migrations/{draft.pk}")
    actions.start(draft, by=BY, now=MONDAY)
    actions.cut_over(draft, even_if_not_all=True, by=BY, now=MONDAY)
    assert "merpati rehearse" not in tina.page(f"/desk/migrations/{draft.pk}")


def test_steps_are_ticked_off_with_who_and_when(
    owner: Browser, tina: Browser, draft: Migration
) -> None:
    one = f"/migrations/{draft.pk}"
    assert "Mail waits for steps that are open" in owner.page(one)
    wrong = owner.post(f"{one}/check-ptr")
    assert b"192.0.2.10 is no public address" in wrong.content
    assert owner.post(f"{one}/tick", {"step": "ptr", "note": "by <us>"})["Location"] == one
    page = owner.page(one)
    assert "Mail waits for steps" not in page
    assert "sari@kirim.example" in page
    assert "by &lt;us&gt;" in page
    tina.post(f"/desk{one}/tick", {"step": "spf_dkim"})
    assert "tina@desk.example" not in owner.page(one)
    assert "tina@desk.example" in tina.page(f"/desk{one}")
    owner.post(f"{one}/untick", {"step": "ptr"})
    assert "Mail waits for steps" in owner.page(one)
    gone = owner.post(f"{one}/tick", {"step": "register:nobody"})
    assert (gone.status_code, b"has no such step" in gone.content) == (409, True)


def test_a_plan_that_holds_itself_back_says_so_on_its_page_and_under_alerts(
    owner: Browser, tina: Browser, draft: Migration, tmp_path: Path
) -> None:
    begun = actions.start(draft, by=BY, now=MONDAY)
    EventStore(tmp_path / "events.sqlite3").close()
    with reading(tmp_path / "events.sqlite3") as db:
        decide_day(begun, db, TODAY, MONDAY)
    page = owner.page(f"/migrations/{draft.pk}")
    assert "Holds itself back at:" in page
    assert "without a PTR record that leads back" in page
    for browser, base in ((owner, ""), (tina, "/desk")):
        alerts = browser.page(f"{base}/alerts")
        assert "The move from the old provider holds itself back at Gmail" in alerts
        assert f'href="{base}/migrations/{draft.pk}"' in alerts


def test_it_is_there_for_its_own_account_alone(
    owner: Browser, colleague: Browser, stranger: Browser, draft: Migration
) -> None:
    one = f"/migrations/{draft.pk}"
    stranger.page(one, 404)
    stranger.page(f"/desk/migrations/{draft.pk}", 404)
    assert stranger.post(f"{one}/start").status_code == 404
    assert "Steer" not in colleague.page(one)
    for act in ("start", "tick", "check-ptr"):
        assert colleague.post(f"{one}/{act}").status_code == 403
        assert stranger.post(f"{one}/{act}").status_code == 404
    colleague.page("/migrations/new", 403)
    colleague.page(f"{one}/edit", 403)
    stranger.page(f"{one}/edit", 404)
    assert draft.name not in stranger.page("/migrations")
    assert Migration.objects.get().state == "draft"


def test_a_page_costs_the_same_queries_whatever_the_providers(
    owner: Browser, draft: Migration, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(22):
        owner.page(f"/migrations/{draft.pk}")


def test_a_page_speaks_indonesian(desk: Desk, draft: Migration, owner: Browser) -> None:
    owner.user.language = "id"
    owner.user.save()
    actions.start(draft, by=BY, now=MONDAY)
    page = owner.page(f"/migrations/{draft.pk}")
    assert "Diperkirakan" in page
    assert "Berjalan" in page
    later = MONDAY + timedelta(days=1)
    assert later.strftime("%Y") in page
