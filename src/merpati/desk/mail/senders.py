"""Who a proved mail is from, and in which accounts they are somebody."""

from __future__ import annotations

from dataclasses import dataclass

from merpati.accounts.models import Account, Membership, User
from merpati.desk.contact_links import ContactLink, StaffLink
from merpati.desk.mail.parsing import ParsedMail
from merpati.desk.models import Case, Contact, Person, Proof


@dataclass(frozen=True, slots=True)
class Sender:
    """email: to which answers go; accounts: at least one; case: to whose address they wrote.

    wrote_from: another address than theirs, from which a mail to a signed address of theirs came:
    it counts as theirs, and is shown to the desk.
    """

    name: str
    email: str
    accounts: tuple[Account, ...]
    case: Case | None = None
    wrote_from: str = ""


def by_token(link: ContactLink, mail: ParsedMail) -> Sender | None:
    """Return whose signed address a mail came to; None when contact and case are gone or apart."""
    contact = Contact.objects.select_related("account").filter(pk=link.contact_id).first()
    case = find_case_of(link.case_number)
    if contact is None or case is None or contact.account_id != case.account_id:
        return None
    other = mail.from_email if mail.from_email != contact.email else ""
    return Sender(contact.name, contact.email, (contact.account,), case, other)


def by_address(mail: ParsedMail) -> Sender | None:
    """Return whose address a mail is from: of a contact or a user of some account, else None."""
    email = mail.from_email
    contacts = list(Contact.objects.select_related("account").filter(email=email).order_by("pk"))
    parts = Membership.objects.select_related("account", "user").order_by("pk")
    members = list(parts.filter(user__email=email, user__is_active=True))
    accounts = [contact.account for contact in contacts] + [part.account for part in members]
    if not accounts:
        return None
    known = [contact.name for contact in contacts] + [part.user.name for part in members]
    return Sender(known[0], email, tuple({one.pk: one for one in accounts}.values()))


@dataclass(frozen=True, slots=True)
class StaffReply:
    """A mail to the address of one of the desk's people in a case. person: whose address that is;
    whether the mail is theirs is another question.
    """

    person: Person
    case: Case

    def is_theirs(self, mail: ParsedMail, proof: Proof) -> bool:
        """Return whether the mail is from the very person: their address in From, which DKIM or
        SPF proves, and they still belong to the staff.
        """
        if proof not in {Proof.DKIM, Proof.SPF} or mail.from_email != self.person.email:
            return False
        users = User.objects.filter(email=self.person.email)
        return not users.exists() or users.filter(is_active=True).exclude(staff_role="").exists()


def by_staff_token(link: StaffLink) -> StaffReply | None:
    """Return of whom and of which case an address of the staff is; None when either is gone."""
    person = Person.objects.filter(pk=link.person_id).first()
    case = find_case_of(link.case_number)
    return StaffReply(person, case) if person and case else None


def find_case_of(number: int) -> Case | None:
    """Return a case with what acting in it needs, None when there is none of this number."""
    related = ("account", "representative", "opened_by", "merged_into__account")
    return Case.objects.select_related(*related).filter(pk=number).first()
