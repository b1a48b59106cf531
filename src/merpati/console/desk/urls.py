"""The desk's pages, with their names."""

from __future__ import annotations

from django.urls import path

from merpati.console.views.desk import (
    accounts,
    answers,
    calendars,
    call_backs,
    campaigns,
    case,
    cases,
    egresses,
    mail,
    migrations,
    people,
    queue,
    reports,
    warmup,
)

_CASE = "desk/cases/<int:number>"
_ACCOUNT = "desk/accounts/<int:account_id>"
_ZONE = "desk/calendars/<slug:zone_id>"
_ANSWER = "desk/answers/<int:answer_id>"
_MAIL = "desk/mail/<int:mail_id>"
_OLD = f"{_ACCOUNT}/old-providers"
_CALL_BACK = "desk/call-backs/<int:call_back_id>"

urlpatterns = [
    path("desk", queue.show, name="desk"),
    path("desk/cases", cases.show, name="desk-cases"),
    path("desk/cases/assign", cases.assign),
    path("desk/views", cases.save),
    path("desk/views/<int:view_id>/remove", cases.remove),
    path(_CASE, case.show, name="desk-case"),
    path(f"{_CASE}/draft", case.save_draft),
    path(f"{_CASE}/writing", case.writing),
    path(f"{_CASE}/files/<int:file_id>", case.file),
    path(f"{_CASE}/mail/<int:mail_id>", case.mail),
    path(f"{_CASE}/mail/<int:mail_id>/html", case.mail_html),
    path(f"{_CASE}/export.json", case.export),
    path(f"{_CASE}/<slug:name>", case.act),
    path("desk/accounts", accounts.show_all, name="desk-accounts"),
    path(_ACCOUNT, accounts.show, name="desk-account"),
    path(f"{_ACCOUNT}/tam", accounts.assign_tam),
    path(f"{_ACCOUNT}/onboarding", accounts.complete_onboarding),
    path(f"{_ACCOUNT}/call", accounts.call),
    path(f"{_ACCOUNT}/call-back", call_backs.show),
    path(f"{_CALL_BACK}/move", call_backs.move),
    path(f"{_CALL_BACK}/cancel", call_backs.cancel),
    path(f"{_ACCOUNT}/campaigns", campaigns.show_all, name="desk-campaigns"),
    path(f"{_ACCOUNT}/warm-up", warmup.show_all, name="desk-warm-up"),
    path(f"{_ACCOUNT}/warm-up/<str:address>", warmup.show, name="desk-warm-up-ip"),
    path(f"{_ACCOUNT}/warm-up/<str:address>/override", warmup.override),
    path("desk/alerts", warmup.show_alerts, name="desk-alerts"),
    path("desk/alerts/<int:alert_id>/seen", warmup.alert_seen),
    path("desk/mail", mail.show, name="desk-mail"),
    path(f"{_MAIL}/attach", mail.attach),
    path(f"{_MAIL}/open", mail.open_case),
    path(f"{_MAIL}/reject", mail.reject),
    path(_OLD, egresses.list_all, name="desk-old-providers"),
    path(f"{_OLD}/new", egresses.new),
    path(f"{_OLD}/<int:number>", egresses.one, name="desk-old-provider"),
    path(f"{_OLD}/<int:number>/check", egresses.check),
    path(f"{_OLD}/<int:number>/remove", egresses.remove),
    path("desk/migrations", migrations.list_all, name="desk-migrations"),
    path("desk/migrations/<int:number>", migrations.show, name="desk-migration"),
    path(f"{_ACCOUNT}/migrations/new", migrations.new, name="desk-migration-new"),
    path("desk/migrations/<int:number>/edit", migrations.edit, name="desk-migration-edit"),
    path("desk/migrations/<int:number>/<slug:name>", migrations.act),
    path("desk/people", people.show, name="desk-people"),
    path("desk/people/absences", people.add_absence),
    path(_ZONE, calendars.show, name="desk-calendar"),
    path(f"{_ZONE}/confirm", calendars.confirm),
    path(f"{_ZONE}/overrides", calendars.override),
    path(f"{_ZONE}/overrides/remove", calendars.remove_override),
    path("desk/reports/service", reports.show, name="desk-report"),
    path("desk/reports/service.csv", reports.as_csv),
    path("desk/answers", answers.show, name="desk-answers"),
    path("desk/answers/save", answers.save),
    path(_ANSWER, answers.show),
    path(f"{_ANSWER}/save", answers.save),
    path(f"{_ANSWER}/remove", answers.remove),
]
