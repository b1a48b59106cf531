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
    Page("service-report", "/service-report", "viewer"),
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
    Page("whole-mail", "/cases/{busy}/mail/{mail}", "owner"),
    Page("desk-whole-mail", "/desk/cases/{busy}/mail/{mail}", "representative"),
    Page("desk-accounts", "/desk/accounts", "representative"),
    Page("desk-old-providers", "/desk/accounts/{account}/old-providers", "tam"),
    Page("desk-old-provider-new", "/desk/accounts/{account}/old-providers/new", "tam"),
    Page("desk-old-provider", "/desk/accounts/{account}/old-providers/{old_provider}", "tam"),
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
    Page("desk-answer", "/desk/answers/{answer}", "representative"),
    Page("desk-mail", "/desk/mail", "representative"),
    Page("sign-in", "/sign-in", has_picture=True),
    Page("sign-in-forgotten", "/sign-in/forgotten"),
    Page("sign-in-forgotten-sent", "/sign-in/forgotten/sent"),
    Page("sign-in-disabled", "/sign-in/disabled"),
    Page("new-password-chosen", "/sign-in/new-password"),
    Page("new-password-link-over", "/sign-in/new-password/1-nonsense"),
    Page("sign-in-again", "/sign-in/again", "owner"),
    Page("sign-in-again-by-code", "/sign-in/again/code", "administrator"),
    Page("sign-out", "/sign-out", "owner"),
    Page("invitation", "/invitation/{invitation}"),
    Page("invitation-over", "/invitation/nonsense", status=410),
    Page("privacy", "/privacy"),
    Page("privacy-to-agree", "/privacy", "owner"),
    Page("me", "/me", "owner"),
    Page("password", "/me/password", "owner"),
    Page("two-factor", "/me/two-factor", "owner"),
    Page("two-factor-app", "/me/two-factor/app", "viewer"),
    Page("two-factor-app-remove", "/me/two-factor/app/remove", "administrator"),
    Page("two-factor-codes", "/me/two-factor/codes", "administrator"),
    Page("two-factor-codes-new", "/me/two-factor/codes/new", "administrator"),
    Page("two-factor-passkeys", "/me/two-factor/passkeys", "administrator"),
    Page("two-factor-passkey-new", "/me/two-factor/passkeys/new", "administrator"),
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

# Addresses that are no pages of their own, or none that a walk reaches; each with why.
NOT_WALKED = {
    "only answer a POST": (
        *("account", "language", "theme", "shortcuts/switch"),
        *("cases/<int:number>/<slug:name>", "c/<str:token>/<slug:name>"),
        "contact/call-back/<int:call_back_id>/cancel",
        *("old-providers/<int:number>/check", "old-providers/<int:number>/remove"),
        *("migrations/<int:number>/<slug:name>", "desk/migrations/<int:number>/<slug:name>"),
        *("alerts/<int:alert_id>/seen", "desk/alerts/<int:alert_id>/seen"),
        *("desk/cases/assign", "desk/views", "desk/views/<int:view_id>/remove"),
        *("desk/cases/<int:number>/draft", "desk/cases/<int:number>/<slug:name>"),
        *(f"desk/accounts/<int:account_id>/{act}" for act in ("tam", "onboarding", "call")),
        "desk/accounts/<int:account_id>/warm-up/<str:address>/override",
        "desk/accounts/<int:account_id>/old-providers/<int:number>/check",
        "desk/accounts/<int:account_id>/old-providers/<int:number>/remove",
        *(f"desk/call-backs/<int:call_back_id>/{act}" for act in ("move", "cancel")),
        *(f"desk/mail/<int:mail_id>/{act}" for act in ("attach", "open", "reject")),
        "desk/people/absences",
        *("desk/calendars/<slug:zone_id>/confirm", "desk/calendars/<slug:zone_id>/overrides"),
        "desk/calendars/<slug:zone_id>/overrides/remove",
        *("desk/answers/save", "desk/answers/<int:answer_id>/save"),
        "desk/answers/<int:answer_id>/remove",
        *("users/staff/<int:user_id>/role", "users/all/<int:user_id>/access"),
        *(f"users/<int:user_id>/{act}" for act in ("role", "access", "remove")),
    ),
    "a file": (
        *("cases.csv", "service-report.csv", "desk/reports/service.csv"),
        "me/two-factor/codes/file",
        *("cases/<int:number>/files/<int:file_id>", "desk/cases/<int:number>/files/<int:file_id>"),
        *("cases/<int:number>/export.json", "desk/cases/<int:number>/export.json"),
        "cases/<int:number>/record.json",
        *(
            f"c/<str:token>/{name}"
            for name in ("files/<int:file_id>", "export.json", "record.json")
        ),
    ),
    "a part that is asked for by another page": (
        "desk/cases/<int:number>/writing",
        "cases/<int:number>/mail/<int:mail_id>/html",
        "desk/cases/<int:number>/mail/<int:mail_id>/html",
        "c/<str:token>/mail/<int:mail_id>/html",
    ),
    "looks as a page that is walked": (
        *("c/<str:token>/mail/<int:mail_id>", "c/<str:token>/record", "me/password/first"),
        *("migrations/<int:number>/edit", "desk/migrations/<int:number>/edit"),  # as a new one
    ),
    "needs a passkey, or a sign-in that is half done: `test_sign_in.py`": (
        *("sign-in/second-factor", "sign-in/passkey", "sign-in/again/passkey"),
        "me/two-factor/passkeys/<int:pk>/name",
        "me/two-factor/passkeys/<int:pk>/remove",
    ),
}
