"""Call-backs: slots inside business hours, given once, and invitations that calendars follow."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.desk import call_back_booking as booking
from merpati.desk import people
from merpati.desk.business_hours import open_until
from merpati.desk.call_back_booking import WantedCall, slots_of
from merpati.desk.call_back_slots import AHEAD, NOTICE, SLOT, free_slots
from merpati.desk.case_errors import CallBackNotFound, CaseNotFound, InvalidCall, SlotNotFree
from merpati.desk.models import CallBack, Contact
from merpati.sending.models import OutboxMail
from tests.desk.calendars import ZONES, local, overridden
from tests.desk.cases import BY, MONDAY, Desk, uk
from tests.support.control import make_account, run_script

UK = ZONES["uk"]


def test_slots_are_half_hours_inside_the_windows() -> None:
    lunch = overridden(UK, {"2026-03-03": ["09:15-10:20", "13:00-14:00"]})
    found = free_slots(lunch, (), (), local(UK, "2026-03-02T15:20"))
    assert [f"{slot.starts_at:%a %H:%M}" for slot in found[:5]] == [
        *("Mon 16:00", "Tue 09:30", "Tue 13:00", "Tue 13:30", "Wed 08:30")
    ]


def test_slots_leave_out_absences_and_what_is_taken() -> None:
    now = local(UK, "2026-03-06T15:00")
    away = [(date(2026, 3, 9), date(2026, 3, 10))]
    taken = {local(UK, "2026-03-06T15:30")}
    found = free_slots(UK, away, taken, now)
    assert [f"{slot.starts_at:%a %d %H:%M}" for slot in found[:2]] == [
        "Fri 06 16:00",
        "Wed 11 08:30",
    ]


@given(st.sampled_from(list(ZONES)), st.integers(0, 400 * 24 * 60))
def test_every_slot_lies_whole_within_business_hours(zone: str, minute: int) -> None:
    """Clock changes and bank holidays among them."""
    hours, now = ZONES[zone], MONDAY + timedelta(minutes=minute)
    slots = free_slots(hours, (), (), now)
    assert slots
    for slot in slots:
        closes_at = open_until(hours, slot.starts_at)
        assert closes_at is not None
        assert slot.starts_at + SLOT <= closes_at
        assert now + NOTICE <= slot.starts_at < now + AHEAD
    assert len({slot.starts_at for slot in slots}) == len(slots)


@pytest.fixture
def desk(db: None, tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def wanted(desk: Desk, at: str = "03-02 10:00", **changes: object) -> WantedCall:
    contact = Contact.objects.filter(account=desk.account).first() or desk.opens().opened_by
    given = {"person": desk.person, "contact": contact, "phone": "+62 21 5550 100"}
    fields = given | {"topic": "Warm-up", "starts_at": uk(at)} | changes
    return WantedCall(**fields)  # type: ignore[arg-type]


def test_a_booked_slot_is_nobody_elses(desk: Desk) -> None:
    booking.book(desk.account, wanted(desk), by=BY, now=MONDAY)
    assert uk("03-02 10:00") not in [
        s.starts_at for s in slots_of(desk.person, desk.account, MONDAY)
    ]
    with pytest.raises(SlotNotFree, match="Choose another"):
        booking.book(desk.account, wanted(desk), by=BY, now=MONDAY)
    assert CallBack.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"starts_at": uk("03-02 18:00")}, SlotNotFree, id="closed"),
        pytest.param({"starts_at": uk("03-02 10:10")}, SlotNotFree, id="no slot"),
        pytest.param({"starts_at": uk("03-02 09:00")}, SlotNotFree, id="too soon"),
        pytest.param({"phone": "5550100"}, InvalidCall, id="phone without country"),
        pytest.param({"topic": " "}, InvalidCall, id="no topic"),
        pytest.param({"number": 99}, CaseNotFound, id="no such case"),
    ],
)
def test_what_cannot_be_booked_is_refused(
    desk: Desk, changes: dict[str, object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        booking.book(desk.account, wanted(desk, **changes), by=BY, now=MONDAY)
    assert not CallBack.objects.exists()
    assert not OutboxMail.objects.filter(key__startswith="call-back").exists()


def test_another_accounts_contact_or_case_is_refused(desk: Desk) -> None:
    theirs = Desk(desk.folder, make_account("Another"), desk.person)
    foreign = theirs.opens()
    with pytest.raises(InvalidCall, match="not one of this account"):
        asked = wanted(desk, contact=foreign.opened_by)
        booking.book(desk.account, asked, by=BY, now=MONDAY)
    with pytest.raises(CaseNotFound):
        booking.book(desk.account, wanted(desk, number=foreign.pk), by=BY, now=MONDAY)


def test_nobody_is_booked_while_away(desk: Desk) -> None:
    people.add_absence(desk.person.email, MONDAY.date(), MONDAY.date(), "leave", by=BY, now=MONDAY)
    with pytest.raises(SlotNotFree):
        booking.book(desk.account, wanted(desk), by=BY, now=MONDAY)
    booking.book(desk.account, wanted(desk, "03-03 09:00"), by=BY, now=MONDAY)


def invitations() -> list[tuple[OutboxMail, icalendar.Event]]:
    found = []
    for mail in OutboxMail.objects.filter(key__startswith="call-back").order_by("id"):
        file = mail.files.get()
        calendar = icalendar.Calendar.from_ical(bytes(file.data))
        assert file.type.endswith(f"method={calendar['method']}")
        (event,) = calendar.walk("VEVENT")
        found.append((mail, event))
    return found


def test_both_are_invited_each_in_their_language(desk: Desk) -> None:
    case = desk.opens(language="id")
    asked = wanted(desk, number=case.pk, contact=case.opened_by)
    booking.book(desk.account, asked, by=BY, now=MONDAY)
    (to_contact, event), (to_person, _) = invitations()
    assert (to_contact.to_email, to_person.to_email) == ("sari@kirim.example", desk.person.email)
    assert "+62 21 5550 100" in to_contact.text
    assert to_person.subject == "Call with Budi, Mon 2 Mar 10:00 (GMT)"
    assert to_contact.subject.startswith("Telepon dengan Budi, Sen 2 Mar")
    assert event["dtstart"].dt == uk("03-02 10:00")
    assert event["dtend"].dt == uk("03-02 10:30")
    assert event["attendee"] == "mailto:sari@kirim.example"


def test_a_move_and_a_cancellation_follow_in_the_calendar(desk: Desk) -> None:
    call_back = booking.book(desk.account, wanted(desk), by=BY, now=MONDAY)
    booking.move(call_back.pk, uk("03-02 11:00"), by=BY, now=MONDAY)
    booking.book(desk.account, wanted(desk), by=BY, now=MONDAY)  # the old slot is free again
    with pytest.raises(SlotNotFree):
        booking.move(call_back.pk, uk("03-02 10:00"), by=BY, now=MONDAY)
    booking.cancel(call_back.pk, by=BY, now=MONDAY)
    uid = f"call-back-{call_back.pk}@merpati"
    mine = [event for _, event in invitations() if event["uid"] == uid]
    assert [event["sequence"] for event in mine] == [0, 0, 1, 1, 2, 2]
    assert mine[2]["dtstart"].dt == uk("03-02 11:00")
    assert mine[-1]["status"] == "CANCELLED"
    for change in (
        lambda: booking.cancel(call_back.pk, by=BY, now=MONDAY),
        lambda: booking.move(call_back.pk, uk("03-02 12:00"), by=BY, now=MONDAY),
    ):
        with pytest.raises(CallBackNotFound):
            change()


def test_a_call_back_whose_time_has_come_stays(desk: Desk) -> None:
    call_back = booking.book(desk.account, wanted(desk), by=BY, now=MONDAY)
    assert booking.coming(MONDAY, account=desk.account) == [call_back]
    assert booking.coming(uk("03-02 10:00"), account=desk.account) == []
    with pytest.raises(CallBackNotFound):
        booking.cancel(call_back.pk, by=BY, now=uk("03-02 10:00"))


RACE = """
import threading
from merpati.accounts.actions import create_account
from merpati.desk.call_back_booking import WantedCall, book
from merpati.desk.models import Contact
from merpati.desk.people import add_person
account = create_account("Race", "premium", "uk", by=BY, now=NOW).account
budi = add_person("Budi", "budi@desk.example", role="representative", language="en", by=BY, now=NOW)
sari = Contact.objects.create(account=account, name="Sari", email="s@kirim.example", created_at=NOW)
outcomes = []
for hour in range(10, 14):
    at = NOW.replace(hour=hour, minute=0, second=0)
    wanted = WantedCall(budi, sari, "+44 20 7946 0000", "Race", at)
    ready, done = threading.Barrier(5), []
    def one():
        ready.wait()
        try:
            book(account, wanted, by=BY, now=NOW)
            done.append("booked")
        except Exception as error:
            done.append(type(error).__name__)
    threads = [threading.Thread(target=one) for _ in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    outcomes.append(sorted(done))
print(json.dumps(outcomes))
"""


def test_of_five_who_want_a_slot_at_once_one_has_it(tmp_path: Path) -> None:
    """Threads of one process on a real database, each with a connection of its own."""
    for outcomes in json.loads(run_script(tmp_path, RACE)):
        assert outcomes == ["SlotNotFree"] * 4 + ["booked"]
