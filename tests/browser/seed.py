"""Fills a data folder for the browser: a desk, two accounts, cases in every state, sessions.

Run as a process of its own, since Django is set up for one folder. Prints JSON: `cookies`, the
session of each person by name ("owner-en", "owner-id"); `names`, numbers by name for the paths of
`pages.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any

from merpati.runtime.setup import setup

ROLES = {
    "owner": ("Sari", "Putri"),
    "viewer": ("Citra", "Dewi"),
    "representative": ("Budi", "Bayu"),
    "tam": ("Tina", "Tuti"),
    "administrator": ("Agus", "Ayu"),
}
BY = "test:seed"


def fill(folder: Path) -> dict[str, Any]:
    """Make everything; moments are relative to now, as the real process's clock has it."""
    from merpati.accounts.actions import create_account  # noqa: PLC0415 - only after setup
    from merpati.desk import people  # noqa: PLC0415
    from merpati.runtime.web import build_application  # noqa: PLC0415

    build_application(folder, 1)  # its services encrypt the secrets of second factors
    now = datetime.now(UTC).replace(microsecond=0)
    before = now - timedelta(days=3)
    account = create_account("Kirim Cepat", "premium", "uk", by=BY, now=before).account
    create_account("Others", "premium", "us-eastern", by=BY, now=before)
    cookies = {
        f"{role}-{language}": _session(_user(account, role, name, language, before))
        for role, names in ROLES.items()
        for name, language in zip(names, ("en", "id"), strict=True)
    }
    people.assign_tam(account.pk, "tina@desk.example", "tuti@desk.example", by=BY, now=before)
    people.complete_onboarding(account.pk, by=BY, now=before)
    names = {"account": account.pk, **_cases(folder, account, before)}
    names |= _migration(folder, account, now)
    names["mail"] = _mail(names["busy"], now)
    names |= _invitations(account, now) | _warm_up(folder, account, now)
    _campaigns(folder, account, now)
    return {"cookies": cookies, "names": names | _tools(account, names["busy"], now)}


def _invitations(account: Any, now: datetime) -> dict[str, Any]:
    """Invite two: the walk looks at the first link, a journey uses the second up."""
    from merpati.accounts import users  # noqa: PLC0415

    looked_at = users.invite(
        "wati@kirim.example", "Wati", account_id=account.pk, role="viewer", by=BY, now=now
    )
    used = users.invite("rina@desk.example", "Rina", staff_role="administrator", by=BY, now=now)
    return {"invitation": looked_at.token, "staff_invitation": used.token}


def _campaigns(folder: Path, account: Any, now: datetime) -> None:
    """Have mail wait: for an allowance, for local hours, and for nothing."""
    from merpati.adapters.clock import SystemClock  # noqa: PLC0415
    from merpati.contracts.batch import LocalHours  # noqa: PLC0415
    from merpati.spool.shard import Shard  # noqa: PLC0415
    from tests.support.worker import batch  # noqa: PLC0415

    async def put() -> None:
        shard = Shard(folder / "spool", account.shard, SystemClock())
        at = int(now.timestamp() * 1000)
        who: dict[str, Any] = {"now": at, "account_id": account.pk, "pool_id": 0}
        google = [f"u{number}@gmail.com" for number in range(400)]
        await shard.append(batch(*google, campaign_id="harga-akhir-tahun", **who))
        nine = {"hours": LocalHours(at=540), "due_at": at + 9 * 3_600_000}
        some = [f"u{number}@penerima.example" for number in range(30)]
        await shard.append(batch(*some, campaign_id="selamat-pagi", **nine, **who))
        await shard.close()

    asyncio.run(put())


def _warm_up(folder: Path, account: Any, now: datetime) -> dict[str, Any]:
    """Have an IP warm up for ten days: Google takes more each day, Yahoo blocks today."""
    from merpati.events import provider_days  # noqa: PLC0415
    from merpati.events.store import EventStore  # noqa: PLC0415
    from merpati.plans.warmup import actions  # noqa: PLC0415
    from merpati.plans.warmup.step import WarmUp  # noqa: PLC0415
    from merpati.sending.allowances_in_force import latest  # noqa: PLC0415
    from merpati.sending.sending_ips import add_sending_ip  # noqa: PLC0415

    address, store_path = "192.0.2.41", folder / "events.sqlite3"
    began = now - timedelta(days=10)
    ip = add_sending_ip(account.pk, address, "mta1.kirim.example", by=BY, now=began)
    actions.start(account.pk, address, by=BY, now=began)

    def count(moment: datetime, provider: str, sent: int, blocked: int = 0) -> None:
        with EventStore(store_path) as store:
            key = (address, provider_days.number_of(moment.date()), provider)
            store._db.execute("BEGIN")
            counts = [sent, sent, sent - blocked, 0, blocked, *[0] * 5]
            provider_days.add(store._db, {key: counts})
            store._db.execute("COMMIT")

    for number in range(11):
        moment = began + timedelta(days=number)
        warm_up = WarmUp(store_path)
        EventStore(store_path).close()
        warm_up.step(moment, moment)
        levels = {row.provider: row.messages for row in latest([ip.pk])}
        is_today = number == 10
        count(moment, "google", levels.get("google", 100))
        to_yahoo = levels.get("yahoo", 100) // (3 if is_today else 1)
        count(moment, "yahoo", to_yahoo, blocked=to_yahoo // 3 if is_today else 0)
        warm_up.step(moment, moment)
    return {"sending_ip": address}


def _user(account: Any, role: str, name: str, language: str, now: datetime) -> Any:
    from merpati.accounts.models import Membership, User  # noqa: PLC0415
    from merpati.desk import people  # noqa: PLC0415

    is_staff = role not in {"owner", "viewer"}
    user = User.objects.create(
        email=f"{name.lower()}@{'desk' if is_staff else 'kirim'}.example",
        name=name,
        language=language,
        time_zone="Asia/Jakarta" if language == "id" else "Europe/London",
        staff_role=role if is_staff else "",
        created_at=now,
    )
    if not is_staff:
        Membership.objects.create(user=user, account=account, role=role, created_at=now)
    elif role != "administrator":
        phone = "+44 20 7946 0000"
        people.add_person(
            *(name, user.email), role=role, language=language, phone=phone, by=BY, now=now
        )
    return user


def _session(user: Any) -> str:
    """Sign a user in, and return the session's key.

    Viewers and administrators are past the question for their password; the latter have an app and
    recovery codes.
    """
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes  # noqa: PLC0415
    from allauth.mfa.totp.internal.auth import TOTP  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: PLC0415

    from tests.support.gates import pass_gates  # noqa: PLC0415

    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    pass_gates(store)
    if user.name in (*ROLES["viewer"], *ROLES["administrator"]):
        store["account_authentication_methods_user"] = str(user.pk)
        store["account_authentication_methods"] = [
            {"method": "password", "at": time.time() + 86_400}
        ]
    if user.name in ROLES["administrator"]:
        TOTP.activate(user, "A" * 32)
        RecoveryCodes.activate(user)
    store.create()
    return str(store.session_key)


def _cases(folder: Path, account: Any, now: datetime) -> dict[str, Any]:
    """Open a case for each thing that a page can show; return their numbers."""
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415
    from merpati.adapters.record_signing import LABEL, RecordSigner  # noqa: PLC0415
    from merpati.desk import case_actions  # noqa: PLC0415
    from merpati.desk.attachments import NewFile  # noqa: PLC0415
    from merpati.desk.case_opening import NewCase, NewContact, open_case  # noqa: PLC0415
    from merpati.desk.evidence import Sources  # noqa: PLC0415
    from merpati.desk.models import Person  # noqa: PLC0415
    from merpati.desk.parties import customer_party, desk_party  # noqa: PLC0415

    sari = customer_party("user:sari@kirim.example", "Sari", "sari@kirim.example")
    budi = desk_party(Person.objects.get(email="budi@desk.example"), "user:budi@desk.example")
    sources = Sources(folder / "events.sqlite3", folder / "spool")

    def opened(subject: str, **fields: Any) -> int:
        given = {"kind": "platform_problem", "text": "Since this morning mail to Penerima waits."}
        wanted = NewCase(
            subject=subject,
            contact=NewContact("Sari", "sari@kirim.example"),
            watchers=[NewContact("Citra", "citra@kirim.example")],
            links=[("domain", "kirim.example")],
            **(given | fields),
        )
        return open_case(account.pk, wanted, via=BY, sources=sources, now=now).pk

    def suggested(subject: str) -> int:
        number = opened(subject)
        case_actions.propose(number, "It works again.", by=budi, now=now)
        return number

    busy = opened("Mail to Penerima waits", severity="high")
    case_actions.note(busy, "Their queue grows since six.", by=budi, now=now)
    case_actions.write(busy, "We look at the queue.\n\n> Since this morning", by=budi, now=now)
    log = [NewFile("answers.txt", b"451 4.7.1 later")]
    case_actions.write(busy, "The answers are attached.", log, by=sari, now=now)
    case_actions.report_progress(busy, "The provider accepts again.", by=budi, now=now)
    asked = opened("Which domain signs?", kind="information_request", severity="low")
    case_actions.ask(asked, "Which domain do you mean?", by=budi, now=now)
    proposed = opened("A new sending IP", kind="configuration_request")
    case_actions.propose(proposed, "192.0.2.10 is in your pool.", by=budi, now=now)
    resolved = opened("Bounces of last week")
    case_actions.propose(resolved, "The list is cleaned.", by=budi, now=now)
    signer = RecordSigner(SecretBox(folder / "secret.key").derive(LABEL))
    case_actions.agree(resolved, "Thank you.", by=sari, signer=signer, now=now)
    case_actions.escalate(busy, "It takes too long.", by=sari, now=now)
    return {
        "busy": busy,
        "asked": asked,
        "proposed": proposed,
        "resolved": resolved,
        "disputed_on": suggested("For the journey of a dispute"),
        "agreed_on": suggested("For the journey of an agreement"),
        "link": _link(folder, asked),
    }


def _mail(number: int, now: datetime) -> int:
    """Have the latest message of a case's customer come by mail, with markup that must not run."""
    from merpati.desk.attachments import file_store  # noqa: PLC0415
    from merpati.desk.models import Case, ReceivedMail  # noqa: PLC0415

    case = Case.objects.get(pk=number)
    message = EmailMessage()
    message["Subject"], message["From"] = "Re: waits", "Sari <sari@kirim.example>"
    message.set_content("The answers are attached.")
    html = "<p>The <b>answers</b> are attached.</p><script>alert(1)</script>"
    message.add_alternative(html, subtype="html")
    return ReceivedMail.objects.create(
        name="mail-of-the-walk",
        digest=file_store().put(message.as_bytes()),
        received_at=now,
        rcpt_to="support@desk.example",
        peer="192.0.2.1",
        helo="mail.kirim.example",
        size_bytes=len(message.as_bytes()),
        from_email="sari@kirim.example",
        from_name="Sari",
        subject="Re: waits",
        text="The answers are attached.",
        state="added",
        case=case,
        update=case.updates.filter(side="customer", kind="message").latest("pk"),
    ).pk


def _migration(folder: Path, account: Any, now: datetime) -> dict[str, int]:
    """Begin a migration nine days ago, with a provider that refuses much."""
    from merpati.events.digest import Digest  # noqa: PLC0415
    from merpati.events.provider_days import COLUMNS, number_of, old_way  # noqa: PLC0415
    from merpati.events.store import EventStore, reading  # noqa: PLC0415
    from merpati.plans.migration import actions  # noqa: PLC0415
    from merpati.plans.migration.step import decide_day  # noqa: PLC0415
    from merpati.reputation.migration_plan import Flow, Traffic  # noqa: PLC0415
    from merpati.sending.egresses import add_egress  # noqa: PLC0415
    from merpati.sending.pools import create_pool  # noqa: PLC0415
    from merpati.sending.sending_ips import add_sending_ip  # noqa: PLC0415

    began = now - timedelta(days=9)
    create_pool(account.pk, "news", by=BY, now=began)
    add_sending_ip(*(account.pk, "192.0.2.10", "mta1.kirim.example"), pool="news", by=BY, now=began)
    relay = add_egress(account.pk, "old", "smtp.old.example", 587, by=BY, now=began)
    volumes = {"google": 9_000, "outlook-consumer": 4_000, "t-online": 300, "other": 1_000}
    flows = [
        Flow(stream="news", provider=name, messages_per_day=volume, target_per_day=volume)
        for name, volume in volumes.items()
    ]
    traffic = Traffic(tuple(flows))
    made = actions.create(account.pk, "To Merpati", traffic, began.date(), "old", by=BY, now=began)
    actions.tick(made, "ptr", "", by="user:sari-en@kirim.example", now=began)
    actions.start(made, by=BY, now=began)
    for number in range(9):
        day = began.date() + timedelta(days=number)
        with reading(folder / "events.sqlite3") as db:
            decide_day(made, db, day, began + timedelta(days=number))
        digest = Digest(0, 0)
        for name, volume in volumes.items():
            moved = made.cells.get(provider=name).share * volume // 10_000
            refused = moved // 3 if name == "outlook-consumer" and number == 4 else moved // 90
            ours = dict.fromkeys(COLUMNS, 0) | {
                "offered": moved, "attempted": moved, "delivered": moved - refused,
                "deferred": refused,
            }  # fmt: skip
            old = dict.fromkeys(COLUMNS, 0) | {"delivered": volume - moved}
            digest.provider_days["192.0.2.10", number_of(day), name] = list(ours.values())
            way = old_way(account.pk, "news")
            digest.provider_days[way, number_of(day), name] = list(old.values())
        with EventStore(folder / "events.sqlite3") as store:
            store.add([(digest, "nonce")])
    return {"migration": made.pk, "old_provider": relay.pk}


def _tools(account: Any, case: int, now: datetime) -> dict[str, int]:
    """Make what helps the desk: an answer, a view, a call, one to come, a day kept otherwise."""
    from merpati.desk import calendar_changes, call_back_booking  # noqa: PLC0415
    from merpati.desk.calls import log_call  # noqa: PLC0415
    from merpati.desk.canned_answers import save_answer  # noqa: PLC0415
    from merpati.desk.models import Contact, Person  # noqa: PLC0415
    from merpati.desk.saved_views import save_view  # noqa: PLC0415

    budi, sari = Person.objects.get(name="Budi"), Contact.objects.get(name="Sari")
    answer = save_answer(
        "Next update", "You hear from us by {{due}}.", "Kabar: {{due}}.", by=BY, now=now
    )
    save_view("Late", {"due": "late"}, by=budi, is_shared=True, via=BY, now=now)
    began_at = now - timedelta(hours=1)
    said = {"spoke_with": "Sari", "began_at": began_at, "minutes": 12, "text": "About the warm-up."}
    log_call(account.pk, person=budi, via=BY, now=now, **said)
    slot = call_back_booking.slots_of(budi, account, now)[3]
    wanted = call_back_booking.WantedCall(
        budi, sari, "+62 21 5550 100", "Mail to Penerima waits", slot.starts_at, case
    )
    call_back = call_back_booking.book(account, wanted, by=BY, now=now)
    day = (now + timedelta(days=20)).date()
    calendar_changes.add_override("uk", day, ["09:00-12:00"], "Office move", by=BY, now=now)
    return {"call_back": call_back.pk, "answer": answer.pk}


def _link(folder: Path, number: int) -> str:
    """Return the token by which whoever opened a case reaches it."""
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415
    from merpati.desk.contact_links import LABEL, ContactLink, page_token  # noqa: PLC0415
    from merpati.desk.models import Case  # noqa: PLC0415

    key = SecretBox(folder / "secret.key").derive(LABEL)
    contact = Case.objects.get(pk=number).opened_by_id
    return page_token(key, ContactLink(number, contact), datetime.now(UTC))


if __name__ == "__main__":
    data = Path(sys.argv[1])
    setup(data)
    json.dump(fill(data), sys.stdout)
