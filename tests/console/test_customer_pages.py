"""The customer's pages around cases: home, list, opening, contact, calendar, search."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from merpati.accounts.models import Membership, User
from merpati.console.cases.timeline import folded
from merpati.desk import calendar_changes, case_actions
from merpati.desk.models import CallBack, Case
from tests.console.conftest import Browser, Clock, add_user
from tests.desk.cases import BY, MONDAY, Desk, uk
from tests.support.control import make_account

PAGES = ["/", "/cases", "/cases.csv", "/cases/new", "/contact", "/search?q=penerima"]
PAGES += ["/service-report?month=2026-03", "/service-report.csv?month=2026-03"]


@pytest.mark.parametrize("path", PAGES)
def test_an_accounts_pages_are_its_members_alone(
    desk: Desk, owner: Browser, stranger: Browser, path: str
) -> None:
    desk.opens(subject="Nobody else reads this")
    assert owner.get(path).status_code == 200
    seen = b"".join(stranger.get(path))
    assert b"Nobody else reads this" not in seen
    assert Client().get(path)["Location"].startswith("/sign-in?next=")


def test_home_says_what_waits_for_us_and_whom_we_reach(
    desk: Desk, owner: Browser, clock: Clock
) -> None:
    asked, other = desk.opens(subject="Which domain?"), desk.opens(subject="Theirs to answer")
    case_actions.ask(asked.pk, "Say which", by=desk.budi, now=MONDAY)
    page = owner.page("/")
    ours, theirs = page.split('id="theirs"')
    assert asked.subject in ours
    assert other.subject in theirs
    assert "Tina" in page
    assert "Reachable now" in page
    assert "Mon 2 Mar 2026, 16:00" in page  # nine in London, in the viewer's own zone
    clock.moment = uk("03-06 20:00")
    page = owner.page("/")
    assert "Reachable next" in page
    assert "Support is closed" in page


def test_home_speaks_to_the_customer_and_flags_what_is_late(
    desk: Desk, owner: Browser, clock: Clock
) -> None:
    asked = desk.opens(subject="Which domain?")
    case_actions.ask(asked.pk, "Say which", by=desk.budi, now=MONDAY)
    desk.opens(subject="Theirs to answer")
    for path in ("/", "/cases", f"/cases/{asked.pk}"):
        page = owner.page(path)
        assert "Waiting for you</span>" in page
        assert "Waiting for the customer</span>" not in page
    assert "</svg>Late</span>" not in owner.page("/")
    clock.moment = uk("03-06 12:00")
    assert owner.page("/").count("</svg>Late</span>") == 1
    assert owner.page("/cases").count("</svg>Late</span>") == 1


def test_the_desks_clock_is_named_only_to_who_has_another(desk: Desk, owner: Browser) -> None:
    assert owner.page("/contact").count("By the desk's clock") >= 1
    User.objects.filter(pk=owner.user.pk).update(time_zone="Europe/London")
    assert "By the desk's clock" not in owner.page("/contact")


@pytest.mark.parametrize("cases", [1, 12])
def test_the_queries_of_home_and_list_do_not_grow(
    desk: Desk, owner: Browser, django_assert_num_queries: DjangoAssertNumQueries, cases: int
) -> None:
    for _ in range(cases):
        desk.opens()
    with django_assert_num_queries(15):
        owner.get("/")
    with django_assert_num_queries(5):
        owner.get("/cases")
    with django_assert_num_queries(6):
        owner.get("/cases", {"q": "penerima"})


def test_the_list_is_filtered_searched_and_paged_by_its_address(desk: Desk, owner: Browser) -> None:
    for n in range(27):
        desk.opens(subject=f"Case no. {n}", severity="low" if n else "urgent")
    page = owner.page("/cases")
    assert page.count('scope="row"') == 25
    (older,) = re.findall(r'href="(/cases\?before=[0-9]+)"', page)
    assert owner.page(older).count('scope="row"') == 2
    assert owner.page("/cases", severity="urgent").count('scope="row"') == 1
    narrowed = owner.page("/cases", q="nonesuch")
    assert "No case matches" in narrowed
    assert "Clear filters" in narrowed
    assert owner.page("/cases?status=bogus&before=x").count('scope="row"') == 25


def test_three_kinds_of_empty_list(desk: Desk, owner: Browser, colleague: Browser) -> None:
    assert "curl -H" in owner.page("/cases")
    assert "another role" in colleague.page("/cases")
    assert "curl -H" not in colleague.page("/cases")


def test_csv_has_what_the_filters_leave_and_no_formulas(desk: Desk, owner: Browser) -> None:
    desk.opens(subject='=HYPERLINK("http://evil.example")')
    desk.opens(subject="Later", severity="urgent")
    answer = owner.get("/cases.csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [row["subject"] for row in rows] == ["Later", '\'=HYPERLINK("http://evil.example")']
    urgent = b"".join(owner.get("/cases.csv", {"severity": "urgent"})).decode()
    assert urgent.count("\n") == 2


def test_a_case_is_opened_with_three_fields_once(desk: Desk, owner: Browser) -> None:
    form = {"kind": "platform_problem", "subject": "Slow", "text": "All of it", "form_key": "k"}
    first, second = owner.post("/cases/new", form), owner.post("/cases/new", form)
    assert first["Location"] == second["Location"]
    case = Case.objects.get()
    assert (case.opened_by.email, case.severity, case.language) == (
        owner.user.email,
        "normal",
        "en",
    )
    assert "We answer by" in owner.page(f"/cases/{case.pk}")


def test_what_is_promised_is_said_before_sending(desk: Desk, owner: Browser, clock: Clock) -> None:
    clock.moment = uk("04-02 15:00")  # half an hour before the Easter days
    page = owner.page("/cases/new")
    # Four hours: half an hour on Thursday, the rest on Tuesday after Easter; read in Jakarta.
    assert "Tue 7 Apr 2026, 18:00" in page
    assert "closed bank holiday Fri (Good Friday)" in page
    clock.moment = uk("04-03 12:00")
    assert "bank holiday: Good Friday" in owner.page("/cases/new")


def test_a_refused_form_keeps_its_input_and_names_the_field(desk: Desk, owner: Browser) -> None:
    form = {"kind": "platform_problem", "subject": "Slow", "text": "Long text that was typed"}
    links = {"link_kind": ["sending_ip", "domain"], "link_value": ["not an IP", ""]}
    answer = owner.post("/cases/new", form | links)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert ">Long text that was typed</textarea>" in page
    assert 'href="#link-1"' in page
    assert 'value="not an IP"' in page
    assert Case.objects.count() == 0


def test_links_watchers_and_prefilled_fields(desk: Desk, owner: Browser) -> None:
    prefilled = "?kind=platform_problem&link_kind=domain&link_value=kirim.example"
    assert 'value="kirim.example"' in owner.page(f"/cases/new{prefilled}")
    owner.post(
        "/cases/new",
        {
            "kind": "platform_problem",
            "subject": "Slow",
            "text": "All",
            "link_kind": ["domain"],
            "link_value": ["kirim.example"],
            "watchers": "dewi@kirim.example\n",
        },
    )
    case = Case.objects.get()
    assert [link.value for link in case.links.all()] == ["kirim.example"]
    assert [contact.email for contact in case.watchers.all()] == ["dewi@kirim.example"]


def test_a_viewer_opens_nothing(desk: Desk, colleague: Browser) -> None:
    assert colleague.get("/cases/new").status_code == 403
    form = {"kind": "platform_problem", "subject": "Slow", "text": "All"}
    assert colleague.post("/cases/new", form).status_code == 403
    assert Case.objects.count() == 0


def test_the_calendar_is_everybodys(desk: Desk, clock: Clock) -> None:
    anybody = Client()
    day = uk("03-02 00:00").date()
    calendar_changes.add_override("uk", day, ["10:00-12:00"], "Training", by=BY, now=MONDAY)
    page = anybody.get("/calendar/uk").content.decode()
    assert "Good Friday" in page
    assert "Training" in page
    assert "proposed; nobody has confirmed" in page
    assert anybody.get("/calendar/uk?year=9999").status_code == 404
    assert anybody.get("/calendar/mars").status_code == 404


def test_the_number_of_a_case_leads_there(desk: Desk, owner: Browser, stranger: Browser) -> None:
    case = desk.opens()
    assert owner.get("/search", {"q": f"#{case.pk}"})["Location"] == f"/cases/{case.pk}"
    assert "Nothing found" in stranger.page("/search", q=f"#{case.pk}")
    palette = owner.get("/search", {"q": "penerima"}, headers={"HX-Request": "true"})
    text = palette.content.decode()
    assert f'href="/cases/{case.pk}"' in text
    assert "<html" not in text


def test_single_keys_can_be_turned_off(desk: Desk, owner: Browser) -> None:
    assert "data-shortcuts" in owner.page("/")
    owner.post("/shortcuts/switch", {"shortcuts": "off"})
    assert "data-shortcuts" not in owner.page("/")


def test_who_has_two_accounts_chooses(desk: Desk, owner: Browser) -> None:
    other = make_account("Zulu")
    Membership.objects.create(user=owner.user, account=other, role="viewer", created_at=MONDAY)
    case = desk.opens()
    assert case.subject in owner.page("/cases")
    assert owner.post("/account", {"account": other.pk}).status_code == 302
    assert case.subject not in owner.page("/cases")
    assert case.subject in owner.page(f"/cases/{case.pk}")
    assert owner.post("/account", {"account": make_account().pk}).status_code == 404


def test_staff_are_led_to_their_desk(desk: Desk) -> None:
    staff = Browser(add_user("Budi", staff_role="representative"))
    assert staff.get("/")["Location"] == "/desk"
    assert staff.get("/cases").status_code == 404


@pytest.mark.parametrize("language", ["en", "id"])
def test_the_parts_page_shows_each_component(desk: Desk, language: str) -> None:
    page = Client().get("/parts", headers={"accept-language": language}).content.decode()
    assert page.count('<div class="part">') > 25
    assert 'role="switch"' in page


@pytest.mark.parametrize(
    ("text", "said", "quoted"),
    [
        ("Yes\n\n> You asked\n> this", "Yes", "> You asked\n> this"),
        ("Yes\n\nOn Monday Budi wrote:\n> asked", "Yes", "On Monday Budi wrote:\n> asked"),
        ("> asked\nAnswer below", "> asked\nAnswer below", ""),
        ("> nothing but a quote", "> nothing but a quote", ""),
        ("No quote", "No quote", ""),
    ],
)
def test_quotes_fold_at_the_end_alone(text: str, said: str, quoted: str) -> None:
    assert folded(text) == (said, quoted)


def test_a_call_back_is_booked_into_a_free_half_hour_and_called_off(
    desk: Desk, owner: Browser, colleague: Browser, stranger: Browser
) -> None:
    page = owner.page("/contact/call-back")
    starts_at = re.findall(r'name="starts_at" value="([^"]+)"', page)[0]
    form = {"phone": "+62 21 5550 100", "topic": "Warm-up", "starts_at": starts_at}
    wrong = owner.post("/contact/call-back", form | {"phone": "call me"})
    assert wrong.status_code == 422
    assert 'value="Warm-up"' in wrong.content.decode()
    assert colleague.post("/contact/call-back", form).status_code == 403
    assert owner.post("/contact/call-back", form)["Location"] == "/contact"
    call = CallBack.objects.get()
    assert (call.person.name, call.contact.email) == ("Tina", owner.user.email)
    assert "Warm-up" in owner.page("/contact")
    assert "Cancel this call" not in colleague.page("/contact")
    assert owner.post("/contact/call-back", form).status_code == 422  # taken
    cancel = f"/contact/call-back/{call.pk}/cancel"
    assert stranger.post(cancel).status_code == 404
    assert owner.get(cancel).status_code == 405
    assert owner.post(cancel)["Location"] == "/contact"
    assert "No call is booked" in owner.page("/contact")
    assert owner.post(cancel).status_code == 404


def test_without_a_tam_nobody_calls_back(desk: Desk, stranger: Browser) -> None:
    assert stranger.get("/contact/call-back").status_code == 404
    assert "Nobody is assigned yet" in stranger.page("/contact")


def test_a_customer_reads_how_soon_they_were_answered(
    desk: Desk, colleague: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    case = desk.opens()
    case_actions.write(case.pk, "We look.", by=desk.budi, now=MONDAY)
    with django_assert_num_queries(10):
        page = colleague.page("/service-report")  # of this month
    assert "1 on time, 0 late" in page
    assert f'href="/cases/{case.pk}"' in page
    assert 'href="/service-report?month=2026-02"' in page
    assert "2026-04" not in page  # has not begun
    assert 'month=2026-03"' in colleague.page("/service-report?month=2026-02")
    assert "/desk" not in page
    table = colleague.get("/service-report.csv?month=2026-03")
    assert table.content.decode().splitlines()[1].startswith(f"{case.pk},Mail to Penerima waits")
    assert "Choose a month that has begun" in colleague.page("/service-report?month=2031-01", 422)


def test_what_is_out_of_scope_is_said_before_anybody_asks(desk: Desk, owner: Browser) -> None:
    """Clauses C5 and C8: scope is shown where it matters."""
    page = owner.page("/cases/new")
    assert "Bespoke (Tier 2) mediation" in page
    assert "Nobody can guarantee inbox placement." in page
