"""Who is looking at a page, and the decorators that say who may.

Customers reach what belongs to their accounts, the desk's staff the desk's pages. What belongs to
somebody else is not there: 404, as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect

from merpati.accounts.models import Account, User
from merpati.accounts.roles import Act, member_may
from merpati.accounts.users import actor
from merpati.desk.models import Person
from merpati.desk.parties import Party, customer_party, desk_party

SIGN_IN = "/sign-in"
ACCOUNT_KEY = "account"  # in the session: which of several accounts is looked at

Page = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Part:
    """A user's part in one account; role: owner, developer or viewer."""

    account: Account
    role: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is signed in.

    parts: the accounts they belong to; staff_role: "" for customers; zone: they read times in it.
    """

    user_id: int
    name: str
    email: str
    language: str
    zone: ZoneInfo
    staff_role: str
    parts: tuple[Part, ...]
    actor: str  # as the audit trail names them
    chosen: int | None = None  # id of the account that is looked at

    @property
    def is_staff(self) -> bool:
        """Whether the desk's pages are theirs."""
        return bool(self.staff_role)

    @property
    def part(self) -> Part | None:
        """Their part in the account that is looked at: the chosen one, else the first."""
        return next((p for p in self.parts if p.account.pk == self.chosen), None) or next(
            iter(self.parts), None
        )

    @property
    def account(self) -> Account:
        """The account that is looked at. Raises Http404 when they belong to none."""
        if self.part is None:
            raise Http404
        return self.part.account

    def part_in(self, account_id: int) -> Part:
        """Return their part in an account. Raises Http404 for a stranger."""
        found = next((part for part in self.parts if part.account.pk == account_id), None)
        if found is None:
            raise Http404
        return found

    def may_write_in(self, account_id: int) -> bool:
        """Return whether they may open and answer cases of an account: owners and developers."""
        return member_may(self.part_in(account_id).role, Act.WORK_ON_CASES)

    def as_customer(self, account_id: int) -> Party:
        """Return them as the customer's side of a case. Raises Http404, PermissionDenied."""
        if not self.may_write_in(account_id):
            raise PermissionDenied
        return customer_party(self.actor, self.name, self.email)

    def as_desk(self) -> Party:
        """Return them as the desk's side. Raises PermissionDenied when they are no person of it."""
        person = Person.objects.filter(email=self.email).first() if self.is_staff else None
        if person is None:
            raise PermissionDenied
        return desk_party(person, self.actor)


def viewer_of(request: HttpRequest) -> Viewer | None:
    """Return who is signed in, read once a request; None: nobody."""
    if not hasattr(request, "_viewer"):
        request._viewer = _read(request)  # type: ignore[attr-defined]
    return request._viewer  # type: ignore[attr-defined, no-any-return]


def customer_page(page: Page) -> Page:
    """Give a page to members of accounts: it gets the viewer as its second argument.

    Others are led to sign-in; who belongs to no account finds nothing there.
    """

    @wraps(page)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        viewer = viewer_of(request)
        if viewer is None:
            return to_sign_in(request)
        if not viewer.parts:
            raise Http404
        return page(request, viewer, *args, **kwargs)

    return checked


def staff_page(page: Page) -> Page:
    """Give a page to the desk's staff: it gets the viewer as its second argument.

    Customers find nothing there.
    """

    @wraps(page)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        viewer = viewer_of(request)
        if viewer is None:
            return to_sign_in(request)
        if not viewer.is_staff:
            raise Http404
        return page(request, viewer, *args, **kwargs)

    return checked


def signed_in_page(page: Page) -> Page:
    """Give a page to everybody who is signed in: it gets the viewer as its second argument."""

    @wraps(page)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        viewer = viewer_of(request)
        return page(request, viewer, *args, **kwargs) if viewer else to_sign_in(request)

    return checked


def to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to sign-in, and from there back to where this request wanted to go."""
    wanted = request.get_full_path() if request.method in {"GET", "HEAD"} else request.path
    return HttpResponseRedirect(f"{SIGN_IN}?{urlencode({'next': wanted})}")


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone with an IANA name; None: there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no key, a path, a folder
        return None


def _read(request: HttpRequest) -> Viewer | None:
    user = getattr(request, "user", None)  # none where the request did not get so far
    if not isinstance(user, User):
        return None
    memberships = user.memberships.select_related("account").order_by("account__name")
    return Viewer(
        user_id=user.pk,
        name=user.name,
        email=user.email,
        language=user.language,
        zone=zone_named(user.time_zone) or ZoneInfo("UTC"),
        staff_role=user.staff_role,
        parts=tuple(Part(member.account, member.role) for member in memberships),
        actor=actor(user),
        chosen=request.session.get(ACCOUNT_KEY),
    )
