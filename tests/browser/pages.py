"""Every page that the walk looks at: whoever adds a page adds its line here.

A path may hold names of the seed (`seed.py`): "/cases/{busy}". Each is looked at in both languages,
light and dark, wide and as wide as a telephone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """name: of its picture; who: a role of the seed, or "" for somebody who is not signed in."""

    name: str
    path: str
    who: str = ""
    status: int = 200
    has_picture: bool = False  # one for the documentation


PAGES = [
    Page("not-found", "/nothing", status=404),
    Page("parts", "/parts", has_picture=True),
    Page("calendar", "/calendar/uk"),
    Page("home", "/", "owner", has_picture=True),
    Page("home-of-a-viewer", "/", "viewer"),
    Page("cases", "/cases", "owner", has_picture=True),
    Page("cases-without-match", "/cases?q=nonesuch", "owner"),
    Page("case-new", "/cases/new", "owner", has_picture=True),
    Page("contact", "/contact", "owner", has_picture=True),
    Page("call-back", "/contact/call-back", "owner"),
    Page("campaigns", "/campaigns", "owner"),
    Page("desk-campaigns", "/desk/accounts/{account}/campaigns", "tam"),
    Page("warm-up", "/warm-up", "owner"),
    Page("warm-up-ip", "/warm-up/{sending_ip}", "owner", has_picture=True),
    Page("alerts", "/alerts", "owner"),
    Page("search", "/search?q=penerima", "owner"),
    Page("shortcuts", "/shortcuts", "owner"),
    Page("not-allowed", "/cases/new", "viewer", status=403),
    Page("case-busy", "/cases/{busy}", "owner", has_picture=True),
    Page("case-asked", "/cases/{asked}", "owner"),
    Page("case-proposed", "/cases/{proposed}", "owner", has_picture=True),
    Page("case-resolved", "/cases/{resolved}", "owner"),
    Page("case-for-a-viewer", "/cases/{proposed}", "viewer"),
    Page("case-by-link", "/c/{link}"),
    Page("link-over", "/c/nonsense", status=404),
    Page("record", "/cases/{resolved}/record", "owner"),
    Page("desk-queue", "/desk", "representative", has_picture=True),
    Page("desk-cases", "/desk/cases?q=penerima", "representative"),
    Page("desk-case", "/desk/cases/{busy}", "representative", has_picture=True),
    Page("desk-case-proposed", "/desk/cases/{proposed}", "tam"),
    Page("desk-account", "/desk/accounts/{account}", "tam", has_picture=True),
    Page("desk-call-back", "/desk/accounts/{account}/call-back?case={busy}", "representative"),
    Page("desk-people", "/desk/people", "tam"),
    Page("desk-calendar", "/desk/calendars/uk", "tam"),
    Page("desk-report", "/desk/reports/service?account={account}", "tam", has_picture=True),
    Page("desk-warm-up", "/desk/accounts/{account}/warm-up", "tam"),
    Page("desk-warm-up-ip", "/desk/accounts/{account}/warm-up/{sending_ip}", "tam"),
    Page("desk-alerts", "/desk/alerts", "representative"),
    Page("desk-answers", "/desk/answers", "representative"),
    Page("desk-mail", "/desk/mail", "representative"),
    Page("sign-in", "/sign-in", has_picture=True),
    Page("sign-in-forgotten", "/sign-in/forgotten"),
    Page("sign-in-forgotten-sent", "/sign-in/forgotten/sent"),
    Page("sign-in-again", "/me/two-factor/app", "owner"),
    Page("invitation", "/invitation/{invitation}"),
    Page("invitation-over", "/invitation/nonsense", status=410),
    Page("privacy", "/privacy"),
    Page("privacy-to-agree", "/privacy", "owner"),
    Page("me", "/me", "owner"),
    Page("password", "/me/password", "owner"),
    Page("two-factor", "/me/two-factor", "owner"),
    Page("sessions", "/me/sessions", "owner"),
    Page("members", "/users", "owner"),
    Page("members-for-a-viewer", "/users", "viewer"),
    Page("old-providers", "/old-providers", "viewer"),
    Page("old-provider-new", "/old-providers/new", "owner"),
    Page("old-provider", "/old-providers/{old_provider}", "owner"),
    Page("migrations", "/migrations", "viewer"),
    Page("migration-new", "/migrations/new", "owner"),
    Page("migration", "/migrations/{migration}", "owner"),
    Page("desk-migrations", "/desk/migrations", "tam"),
    Page("desk-migration", "/desk/migrations/{migration}", "tam"),
    Page("desk-migration-new", "/desk/accounts/{account}/migrations/new", "tam"),
    Page("order-form", "/order-form", "owner"),
    Page("all-users", "/users/all", "administrator"),
    Page("staff", "/users/staff", "administrator"),
    Page("all-users-without-match", "/users/all?q=nonesuch", "administrator"),
]
