"""Every page of the console, with its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, include, path

from merpati.console.desk import urls as desk_urls
from merpati.console.views import (
    calendar,
    call_back,
    campaigns,
    case_list,
    case_new,
    case_pages,
    cases,
    contact,
    contact_link,
    egresses,
    home,
    migrations,
    parts,
    preferences,
    search,
    service_report,
    warmup,
)

handler400 = "merpati.console.views.errors.not_understood"
handler403 = "merpati.console.views.errors.forbidden"
handler404 = "merpati.console.views.errors.not_found"
handler500 = "merpati.console.views.errors.failed"


def case_urls(base: str, name: str, given_to: Callable[..., Any]) -> list[URLPattern]:
    """Return the pages of one case below `base`; given_to: wraps each for those who may see it."""
    return [
        path(base, given_to(case_pages.show), name=name),
        path(f"{base}/files/<int:file_id>", given_to(case_pages.file)),
        path(f"{base}/mail/<int:mail_id>", given_to(case_pages.mail)),
        path(f"{base}/mail/<int:mail_id>/html", given_to(case_pages.mail_html)),
        path(f"{base}/export.json", given_to(case_pages.export)),
        path(f"{base}/record", given_to(case_pages.record)),
        path(f"{base}/record.json", given_to(case_pages.record_json)),
        path(f"{base}/<slug:name>", given_to(case_pages.act)),
    ]


urlpatterns = [
    path("", home.show, name="home"),
    path("account", home.choose_account, name="account"),
    path("cases", case_list.show, name="cases"),
    path("cases.csv", case_list.as_csv, name="cases-csv"),
    path("cases/new", case_new.show, name="case-new"),
    *case_urls("cases/<int:number>", "case", cases.for_members),
    *desk_urls.urlpatterns,
    *case_urls("c/<str:token>", "case-by-link", contact_link.by_link),
    path("contact", contact.show, name="contact"),
    path("contact/call-back", call_back.show, name="call-back"),
    path("contact/call-back/<int:call_back_id>/cancel", call_back.cancel),
    path("old-providers", egresses.list_all, name="old-providers"),
    path("old-providers/new", egresses.new, name="old-provider-new"),
    path("old-providers/<int:number>", egresses.one, name="old-provider"),
    path("old-providers/<int:number>/check", egresses.check),
    path("old-providers/<int:number>/remove", egresses.remove),
    path("migrations", migrations.list_all, name="migrations"),
    path("migrations/new", migrations.new, name="migration-new"),
    path("migrations/<int:number>", migrations.show, name="migration"),
    path("migrations/<int:number>/edit", migrations.edit, name="migration-edit"),
    path("migrations/<int:number>/<slug:name>", migrations.act),
    path("service-report", service_report.show, name="service-report"),
    path("service-report.csv", service_report.as_csv),
    path("calendar/<slug:zone>", calendar.show, name="calendar"),
    path("campaigns", campaigns.show_all, name="campaigns"),
    path("warm-up", warmup.show_all, name="warm-up"),
    path("warm-up/<str:address>", warmup.show, name="warm-up-ip"),
    path("alerts", warmup.show_alerts, name="alerts"),
    path("alerts/<int:alert_id>/seen", warmup.alert_seen),
    path("search", search.show, name="search"),
    path("shortcuts", search.shortcuts, name="shortcuts"),
    path("shortcuts/switch", search.switch_shortcuts, name="switch-shortcuts"),
    path("parts", parts.show, name="parts"),
    path("language", preferences.language, name="language"),
    path("theme", preferences.theme, name="theme"),
    path("", include("merpati.console.sign_in.urls")),
]
