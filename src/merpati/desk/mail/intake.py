"""Mail that came in becomes part of a case, or waits for a person; in either case it is kept.

A mail acts for a contact only if it is proved to be theirs: by DKIM or SPF of the very domain of
its From, or since it came to an address that we signed for them. It can open a case and add to
one, nothing else: a mail never agrees, whatever it says. What a program sent is filed and never
answered. One of the desk answers a case by mail only if both hold: it came to the address that we
signed for them and that case, and DKIM or SPF proves that it is from their own.

Each mail is done once: its name in the drop is the key of what it does to a case, and stands in the
row that says what became of it. Killed anywhere between, it is taken up again and finds its own
traces. Test cases L1, L3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from django.db import transaction

from merpati.accounts import audit
from merpati.contracts.desk_mail import DeskMail
from merpati.desk import attachments
from merpati.desk.case_errors import CaseResolved
from merpati.desk.contact_links import read_reply_address, read_staff_address
from merpati.desk.mail import words
from merpati.desk.mail.answers import answer
from merpati.desk.mail.authentication import NotKnownYet, proof_of
from merpati.desk.mail.automatic import why_automatic
from merpati.desk.mail.drop import MailDrop
from merpati.desk.mail.entering import add_by_mail, open_by_mail, say_by_mail
from merpati.desk.mail.language import language_of
from merpati.desk.mail.parsing import ParsedMail, parse
from merpati.desk.mail.place import Place
from merpati.desk.mail.quotes import said_anew
from merpati.desk.mail.senders import (
    Sender,
    StaffReply,
    by_address,
    by_staff_token,
    by_token,
    find_case_of,
)
from merpati.desk.mail.threads import case_answered
from merpati.desk.models import Case, CaseUpdate, Contact, MailState, Proof, ReceivedMail

log = logging.getLogger(__name__)

STEP = 50  # mails
TRY_AGAIN = timedelta(minutes=2)
GIVE_UP = timedelta(hours=1)  # a domain that does not answer so long proves nothing
TRIES = 3  # of a mail that we fail over
WINDOW = timedelta(hours=1)
OF_A_SENDER = 20  # mails in a window, then they are filed
OF_A_CASE = 40
UNPROVED = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a mail. reason: for people; case, update: of which it is part now."""

    state: MailState
    reason: str = ""
    sender: Sender | None = None
    case: Case | None = None
    update: CaseUpdate | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail with what is known of it before anything is done."""

    name: str
    raw: DeskMail
    parsed: ParsedMail
    digest: str
    why_automatic: str
    proof: Proof
    sender: Sender | None
    now: datetime
    staff: StaffReply | None = None

    @property
    def received_at(self) -> datetime:
        """When we took it."""
        return datetime.fromtimestamp(self.raw.received_at / 1000, UTC)

    @property
    def is_to_role(self) -> bool:
        """Whether it is for postmaster or abuse, so that a person must see it."""
        return self.raw.rcpt_to.partition("@")[0].lower() in {"postmaster", "abuse"}


@dataclass(slots=True)
class Intake:
    """Reads what waits in the drop; for one thread."""

    place: Place
    drop: MailDrop
    _again_at: dict[str, datetime] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)
    _silent_until: dict[str, datetime] = field(default_factory=dict)  # domains without an answer

    def step(self, now: datetime) -> int:
        """Read what waits, oldest first; return how many mails were done with."""
        done = 0
        # What was tried already comes last: many mails of domains that do not answer, each of which
        # takes seconds, must not stand before a customer's.
        for name in sorted(self.drop.waiting(), key=lambda name: (name in self._again_at, name)):
            if done >= STEP:
                break
            if self._again_at.get(name, now) <= now:
                done += self._read(name, now)
        return done

    def _read(self, name: str, now: datetime) -> bool:
        try:
            if not ReceivedMail.objects.filter(name=name).exists():
                mail = self.drop.read(name)
                if mail is None:
                    log.error("desk_mail_damaged name=%s effect=set_aside", name)
                    return True
                self._take(name, mail, now)
        except NotKnownYet as unknown:
            log.info("desk_mail_waits name=%s reason=%r", name, str(unknown))
            self._again_at[name] = now + TRY_AGAIN
            return False
        except Exception:  # one that we fail over must neither be lost nor hold up the others
            log.exception("desk_mail_failed name=%s", name)
            self._again_at[name] = now + TRY_AGAIN
            self._tries[name] = self._tries.get(name, 0) + 1
            return False
        self.drop.remove(name)
        self._again_at.pop(name, None)
        self._tries.pop(name, None)
        return True

    def _take(self, name: str, raw: DeskMail, now: datetime) -> None:
        digest = attachments.file_store().put(raw.data)
        is_beyond_us = self._tries.get(name, 0) >= TRIES
        parsed = ParsedMail({}, is_readable=False) if is_beyond_us else parse(raw.data)
        arrived = self._known(name, raw, parsed, digest, now)
        outcome = self._outcome(arrived)
        with transaction.atomic():
            _store(arrived, outcome)
        log.info("desk_mail name=%s state=%s reason=%r", name, outcome.state, outcome.reason)

    def _known(
        self, name: str, raw: DeskMail, parsed: ParsedMail, digest: str, now: datetime
    ) -> Arrived:
        link = read_reply_address(self.place.link_key, raw.rcpt_to, self.place.support_address)
        sender = by_token(link, parsed) if link else None
        staff_link = read_staff_address(
            self.place.link_key, raw.rcpt_to, self.place.support_address
        )
        staff = by_staff_token(staff_link) if staff_link else None
        proof = Proof.TOKEN if sender else Proof.NONE
        if sender is None:
            proof = self._proof(raw, parsed, now)
            sender = by_address(parsed) if proof else None
        why = why_automatic(parsed, raw.msg_from, self.place.support_address)
        return Arrived(name, raw, parsed, digest, why, proof, sender, now, staff)

    def _proof(self, raw: DeskMail, parsed: ParsedMail, now: datetime) -> Proof:
        age = now - datetime.fromtimestamp(raw.received_at / 1000, UTC)
        domain = parsed.from_email.rpartition("@")[2]
        try:
            if self._silent_until.get(domain, now) > now:
                raise NotKnownYet(f"{domain} did not answer a moment ago")
            return proof_of(
                parsed,
                raw.data,
                msg_from=raw.msg_from,
                peer=raw.peer,
                helo=raw.helo,
                servers=self.place.dns_servers,
            )
        except NotKnownYet:
            if age >= GIVE_UP:
                return Proof.NONE
            self._silent_until = {d: at for d, at in self._silent_until.items() if at > now}
            self._silent_until.setdefault(domain, now + TRY_AGAIN)
            raise

    def _outcome(self, mail: Arrived) -> Outcome:  # noqa: PLR0911 - one for each outcome
        number = self._case_number(mail)
        case = mail.staff.case if mail.staff else _theirs(mail.sender, number)
        if storm := _storm(mail, case):
            return Outcome(MailState.FILED, storm, mail.sender, case)
        if mail.why_automatic:
            state = MailState.UNASSIGNED if mail.is_to_role else MailState.FILED
            return Outcome(state, f"automatic: {mail.why_automatic}", mail.sender, case)
        if not mail.parsed.is_readable:
            return Outcome(MailState.UNASSIGNED, "it cannot be taken apart", mail.sender, case)
        if mail.staff is not None:
            return self._said(mail, mail.staff)
        if mail.sender is None:
            return Outcome(MailState.UNASSIGNED, _why_nobody(mail))
        if _came_before(mail):
            return Outcome(MailState.FILED, "the same mail came before", mail.sender, case)
        if number is not None and case is None:
            self._answer(
                mail, mail.sender, number, partial(words.answer_foreign, number), why="foreign"
            )
            reason = f"it names case {number}, which is none of theirs"
            return Outcome(MailState.UNASSIGNED, reason, mail.sender)
        if case is None:
            return self._opened(mail, mail.sender)
        return self._added(mail, mail.sender, case)

    def _opened(self, mail: Arrived, sender: Sender) -> Outcome:
        if len(sender.accounts) > 1:
            names = ", ".join(account.name for account in sender.accounts)
            reason = f"its sender is a contact of several accounts: {names}"
            return Outcome(MailState.UNASSIGNED, reason, sender)
        (account,) = sender.accounts
        case, update = open_by_mail(
            account,
            sender,
            mail.parsed,
            name=mail.name,
            sources=self.place.sources,
            now=mail.received_at,
        )
        return Outcome(MailState.OPENED, "", sender, case, update)

    def _added(self, mail: Arrived, sender: Sender, case: Case) -> Outcome:
        target = case.merged_into or case
        try:
            found, update = add_by_mail(target, sender, mail.parsed, name=mail.name, now=mail.now)
        except CaseResolved:
            said = partial(words.answer_closed, target.pk)
            self._answer(mail, sender, target.pk, said, why="closed", language=target.language)
            return Outcome(MailState.FILED, "the case is resolved", sender, target)
        if target != case:
            said = partial(words.answer_merged, case.pk, target.pk)
            self._answer(mail, sender, case.pk, said, why="merged", language=target.language)
        return Outcome(MailState.ADDED, "", sender, found, update)

    def _said(self, mail: Arrived, reply: StaffReply) -> Outcome:
        """Let one of the desk say something in a case, if it is really them who says it."""
        text = said_anew(mail.parsed.text)
        quotes_us = f"{self.place.console_url}/desk/cases/" in text  # as each mail to them does
        case = reply.case.merged_into or reply.case
        found, update, why = None, None, ""
        if not reply.is_theirs(mail.parsed, mail.proof):
            why = f"it answers for {reply.person.email}, and nothing proves that it is theirs"
        elif quotes_us or not text:
            why = "what it says cannot be told from what it quotes"
        elif _came_before(mail):
            return Outcome(MailState.FILED, "the same mail came before", None, case)
        else:
            try:
                found, update = say_by_mail(
                    case, reply.person, mail.parsed, text, name=mail.name, now=mail.now
                )
            except CaseResolved:
                return Outcome(MailState.FILED, "the case is resolved", None, case)
        state = MailState.UNASSIGNED if why else MailState.ADDED
        return Outcome(state, why, None, found or case, update)

    def _answer(
        self,
        mail: Arrived,
        sender: Sender,
        number: int,
        said: Callable[[], list[str]],
        *,
        why: str,
        language: str = "",
    ) -> None:
        contact = Contact.objects.filter(email=sender.email, account=sender.accounts[0]).first()
        spoken = language or language_of(sender.email, contact, mail.parsed.text)
        parsed, now = mail.parsed, mail.now
        answer(self.place, sender, parsed, number, said, why=why, language=spoken, now=now)

    def _case_number(self, mail: Arrived) -> int | None:
        if mail.sender is not None and mail.sender.case is not None:
            return mail.sender.case.pk
        parsed = mail.parsed
        return case_answered(parsed.references, parsed.subject, self.place.domain)


def _theirs(sender: Sender | None, number: int | None) -> Case | None:
    """Return the case of this number if it is of one of the sender's accounts."""
    if sender is None or number is None:
        return None
    case = sender.case or find_case_of(number)
    return case if case is not None and case.account in sender.accounts else None


def _why_nobody(mail: Arrived) -> str:
    if mail.proof is Proof.NONE:
        return (
            "nothing proves its sender: no aligned DKIM signature, and SPF does not allow the host"
        )
    return "its sender is proved, and a contact of no account"


def _came_before(mail: Arrived) -> bool:
    done = ReceivedMail.objects.filter(state__in=(MailState.OPENED, MailState.ADDED))
    same = done.filter(message_id=mail.parsed.message_id[:255], from_email=mail.parsed.from_email)
    # Its own traces are no earlier mail: a row of this name is written last.
    return bool(mail.parsed.message_id) and same.exists()


def _storm(mail: Arrived, case: Case | None) -> str:
    """Return why too much comes in of this kind, "" while it does not.

    Whoever only claims to be a sender counts apart, so that nobody silences another.
    """
    recent = ReceivedMail.objects.filter(received_at__gt=mail.received_at - WINDOW)
    is_proved = mail.proof is not Proof.NONE
    alike = recent.exclude(proof="") if is_proved else recent.filter(proof="")
    address = mail.parsed.from_email[:320]
    counts = [(alike.filter(from_email=address), OF_A_SENDER, address)]
    if case is not None:
        counts.append((recent.filter(case=case), OF_A_CASE, f"case {case.pk}"))
    if not is_proved:
        counts.append((alike, UNPROVED, "senders that nothing proves"))
    for found, most, whose in counts:
        count = found.count()
        if count == most:
            log.warning("mail_storm of=%r mails=%d hours=1 effect=filed", whose, count)
            audit.record(
                "mail_storm", whose, by="email", now=mail.now, account_id=None, mails=count
            )
        if count >= most:
            return f"storm: {count} mails of {whose} in an hour"
    return ""


def _store(mail: Arrived, outcome: Outcome) -> None:
    parsed, raw, sender = mail.parsed, mail.raw, outcome.sender
    contact = (
        Contact.objects.filter(email=sender.email, account__in=sender.accounts).first()
        if sender
        else None
    )
    ReceivedMail.objects.create(
        name=mail.name,
        digest=mail.digest,
        received_at=mail.received_at,
        msg_from=raw.msg_from[:320],
        rcpt_to=raw.rcpt_to[:320],
        peer=raw.peer[:45],
        helo=raw.helo[:255],
        size_bytes=len(raw.data),
        from_email=parsed.from_email[:320],
        from_name=parsed.from_name[:200],
        subject=parsed.subject[:300],
        message_id=parsed.message_id[:255],
        text=parsed.text,
        proof=mail.proof,
        state=outcome.state,
        reason=outcome.reason[:500],
        is_automatic=bool(mail.why_automatic),
        contact=contact,
        case=outcome.case,
        update=outcome.update,
    )
