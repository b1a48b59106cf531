"""Calendars, people, cases and their mail; the calendars' first hours; the index of words."""

import tomllib
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from merpati.desk import case_index


def make_calendars(apps: Any, schema_editor: Any) -> None:
    """Make the calendars of the Service Time Zones from `service_zones.toml`."""
    calendars = apps.get_model("desk", "ZoneCalendar").objects
    text = resources.files("merpati.desk").joinpath("service_zones.toml").read_text()
    for zone in tomllib.loads(text)["zone"]:
        calendars.create(
            zone_id=zone["id"],
            iana=zone["iana"],
            weekly=[zone["hours"]] * 5 + [[], []],
            holiday_list=zone["holiday_list"],
            changed_at=datetime.now(UTC),
        )


def make_case_index(apps: Any, schema_editor: Any) -> None:
    case_index.create(schema_editor.connection)


def drop_case_index(apps: Any, schema_editor: Any) -> None:
    case_index.drop(schema_editor.connection)


class Migration(migrations.Migration):
    replaces = [
        ("desk", "0001_initial"),
        ("desk", "0002_service_time_zones"),
        ("desk", "0003_people_and_cases"),
        ("desk", "0004_answered_requests"),
        ("desk", "0005_case_tools"),
        ("desk", "0006_case_index"),
        ("desk", "0007_case_mail"),
        ("desk", "0008_ended_clocks"),
        ("desk", "0009_fill_ended_clocks"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="ZoneCalendar",
            fields=[
                (
                    "zone_id",
                    models.CharField(
                        choices=[
                            ("us-eastern", "US Eastern"),
                            ("us-pacific", "US Pacific"),
                            ("uk", "UK"),
                        ],
                        max_length=20,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("iana", models.CharField(max_length=60)),
                ("weekly", models.JSONField()),
                (
                    "holiday_list",
                    models.CharField(
                        choices=[
                            ("fed", "Federal Reserve"),
                            ("us-federal", "US federal government"),
                            ("england", "England and Wales"),
                        ],
                        max_length=20,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ConfirmedYear",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "calendar",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="years",
                        to="desk.zonecalendar",
                    ),
                ),
                ("year", models.PositiveSmallIntegerField()),
                ("confirmed_by", models.CharField(max_length=200)),
                ("confirmed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("calendar", "year"), name="holiday_year_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="BankHoliday",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "year",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="days",
                        to="desk.confirmedyear",
                    ),
                ),
                ("falls_on", models.DateField()),
                ("name", models.CharField(max_length=200)),
                ("source", models.CharField(max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("year", "falls_on"), name="bank_holiday_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="DatedOverride",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "calendar",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="overrides",
                        to="desk.zonecalendar",
                    ),
                ),
                ("falls_on", models.DateField()),
                ("windows", models.JSONField()),
                ("reason", models.CharField(max_length=200)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("calendar", "falls_on"), name="override_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("email", models.CharField(max_length=254, unique=True)),
                ("phone", models.CharField(blank=True, max_length=30)),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("id", "Bahasa Indonesia")], max_length=5
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("tam", "Technical Account Manager"),
                            ("representative", "Representative"),
                        ],
                        max_length=20,
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("phone", ""), ("role", "tam"), _negated=True),
                        name="tam_has_a_phone",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Absence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="absences",
                        to="desk.person",
                    ),
                ),
                ("starts_on", models.DateField()),
                ("ends_on", models.DateField()),
                ("reason", models.CharField(max_length=200)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ends_on__gte", models.F("starts_on"))),
                        name="absence_runs_forward",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TamAssignment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tam_assignments",
                        to="accounts.account",
                    ),
                ),
                (
                    "tam",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accounts_as_tam",
                        to="desk.person",
                    ),
                ),
                (
                    "deputy",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accounts_as_deputy",
                        to="desk.person",
                    ),
                ),
                ("assigned_at", models.DateTimeField()),
                ("assigned_by", models.CharField(max_length=200)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("account",),
                        name="one_tam_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deputy", None),
                            models.Q(("deputy", models.F("tam")), _negated=True),
                            _connector="OR",
                        ),
                        name="tam_is_not_the_deputy",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Onboarding",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                ("completed_at", models.DateTimeField()),
                ("completed_by", models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contacts",
                        to="accounts.account",
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("email", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "email"), name="contact_once_an_account"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Case",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="accounts.account",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("platform_problem", "Platform problem"),
                            ("configuration_request", "Configuration request"),
                            ("information_request", "Information request"),
                        ],
                        max_length=30,
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("urgent", "Urgent"),
                            ("high", "High"),
                            ("normal", "Normal"),
                            ("low", "Low"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("id", "Bahasa Indonesia")], max_length=5
                    ),
                ),
                ("subject", models.CharField(max_length=200)),
                (
                    "opened_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases_opened",
                        to="desk.contact",
                    ),
                ),
                (
                    "representative",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="desk.person",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("waiting_for_customer", "waiting_for_customer"),
                            ("proposed", "proposed"),
                            ("resolved", "resolved"),
                            ("merged", "merged"),
                        ],
                        default="open",
                        max_length=30,
                    ),
                ),
                (
                    "proposed_by",
                    models.CharField(
                        choices=[("customer", "customer"), ("desk", "desk")],
                        max_length=10,
                        null=True,
                    ),
                ),
                (
                    "turn",
                    models.CharField(
                        choices=[("customer", "customer"), ("desk", "desk")],
                        default="desk",
                        max_length=10,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("first_answer_due_at", models.DateTimeField()),
                ("first_answered_at", models.DateTimeField(null=True)),
                ("clock_started_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("remind_at", models.DateTimeField(null=True)),
                ("escalated_at", models.DateTimeField(null=True)),
                ("resolved_at", models.DateTimeField(null=True)),
                (
                    "merged_into",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merged_cases",
                        to="desk.case",
                    ),
                ),
                ("merged_at", models.DateTimeField(null=True)),
                ("worked", models.DurationField(null=True)),
                ("waited", models.DurationField(null=True)),
                (
                    "watchers",
                    models.ManyToManyField(related_name="cases_watched", to="desk.contact"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "number"], name="case_by_account"),
                    models.Index(fields=["representative", "due_at", "number"], name="case_by_due"),
                    models.Index(fields=["due_at", "number"], name="case_due"),
                    models.Index(fields=["status", "due_at"], name="case_by_status"),
                    models.Index(fields=["remind_at"], name="case_to_remind"),
                    models.Index(fields=["account", "resolved_at"], name="case_by_resolution"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("proposed_by__isnull", False), ("status", "proposed")),
                            models.Q(
                                models.Q(("status", "proposed"), _negated=True),
                                ("proposed_by", None),
                            ),
                            _connector="OR",
                        ),
                        name="case_proposed_by_a_side",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at", None),
                                ("resolved_at__isnull", False),
                                ("status", "resolved"),
                            ),
                            models.Q(
                                models.Q(("status", "resolved"), _negated=True),
                                ("resolved_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="case_resolved_at_a_moment",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at", None),
                                ("merged_at__isnull", False),
                                ("merged_into__isnull", False),
                                ("status", "merged"),
                            ),
                            models.Q(
                                models.Q(("status", "merged"), _negated=True), ("merged_into", None)
                            ),
                            _connector="OR",
                        ),
                        name="merged_case_goes_on_in_another",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CaseUpdate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="updates",
                        to="desk.case",
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("at", models.DateTimeField()),
                (
                    "side",
                    models.CharField(
                        choices=[("customer", "customer"), ("desk", "desk")], max_length=10
                    ),
                ),
                ("author_name", models.CharField(max_length=200)),
                ("author_email", models.CharField(blank=True, max_length=254)),
                ("via", models.CharField(max_length=200)),
                ("text", models.TextField(blank=True)),
                ("is_internal", models.BooleanField(default=False)),
                ("detail", models.JSONField(default=dict)),
            ],
            options={
                "indexes": [models.Index(fields=["case", "id"], name="update_by_case")],
            },
        ),
        migrations.CreateModel(
            name="CaseLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="desk.case",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("domain", "Domain"),
                            ("sending_ip", "Sending IP"),
                            ("campaign", "Campaign"),
                            ("message", "Message"),
                        ],
                        max_length=20,
                    ),
                ),
                ("value", models.CharField(max_length=255)),
                ("evidence", models.JSONField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("case", "kind", "value"), name="case_link_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RelatedCase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "first",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="desk.case",
                    ),
                ),
                (
                    "second",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="desk.case",
                    ),
                ),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("first", "second"), name="related_once"),
                    models.CheckConstraint(
                        condition=models.Q(("first__lt", models.F("second"))),
                        name="related_in_order",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ResolutionRecord",
            fields=[
                (
                    "case",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="record",
                        serialize=False,
                        to="desk.case",
                    ),
                ),
                ("document", models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name="CaseAttachment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attachments",
                        to="desk.case",
                    ),
                ),
                (
                    "update",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attachments",
                        to="desk.caseupdate",
                    ),
                ),
                ("name", models.CharField(max_length=150)),
                ("type", models.CharField(max_length=200)),
                ("size_bytes", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "update",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="desk.caseupdate",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AnsweredRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.CharField(max_length=32)),
                (
                    "case",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="desk.case",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "key"), name="request_once_an_account"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Call",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="accounts.account",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="desk.case",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="desk.person",
                    ),
                ),
                ("spoke_with", models.CharField(max_length=200)),
                ("began_at", models.DateTimeField()),
                ("minutes", models.PositiveSmallIntegerField()),
                ("text", models.TextField()),
                ("logged_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["account", "began_at"], name="call_by_account")],
            },
        ),
        migrations.CreateModel(
            name="CallBack",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="call_backs",
                        to="accounts.account",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="call_backs",
                        to="desk.case",
                    ),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="call_backs",
                        to="desk.contact",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="call_backs",
                        to="desk.person",
                    ),
                ),
                ("phone", models.CharField(max_length=30)),
                ("topic", models.CharField(max_length=200)),
                ("starts_at", models.DateTimeField()),
                ("version", models.PositiveIntegerField(default=0)),
                ("booked_by", models.CharField(max_length=200)),
                ("booked_at", models.DateTimeField()),
                ("cancelled_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "starts_at"], name="call_back_by_account")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("cancelled_at", None)),
                        fields=("person", "starts_at"),
                        name="one_call_back_a_slot",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EndedClock",
            fields=[
                (
                    "update",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="desk.caseupdate",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ended_clocks",
                        to="desk.case",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                ("name", models.CharField(max_length=20)),
                ("is_answer", models.BooleanField()),
                ("is_late", models.BooleanField()),
                ("due_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "ended_at"], name="ended_clock_by_account")
                ],
            },
        ),
        migrations.CreateModel(
            name="ReceivedMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("received_at", models.DateTimeField()),
                ("msg_from", models.CharField(blank=True, max_length=320)),
                ("rcpt_to", models.CharField(max_length=320)),
                ("peer", models.CharField(max_length=45)),
                ("helo", models.CharField(max_length=255)),
                ("size_bytes", models.PositiveIntegerField()),
                ("from_email", models.CharField(blank=True, max_length=320)),
                ("from_name", models.CharField(blank=True, max_length=200)),
                ("subject", models.CharField(blank=True, max_length=300)),
                ("message_id", models.CharField(blank=True, max_length=255)),
                ("text", models.TextField(blank=True)),
                (
                    "proof",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not proved"),
                            ("dkim", "DKIM, aligned"),
                            ("spf", "SPF, aligned"),
                            ("token", "Signed address"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("opened", "Opened a case"),
                            ("added", "Added to a case"),
                            ("filed", "Filed, not answered"),
                            ("unassigned", "Waits for a person"),
                            ("rejected", "Set aside"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("is_automatic", models.BooleanField(default=False)),
                (
                    "contact",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="desk.contact",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="desk.case",
                    ),
                ),
                (
                    "update",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mail",
                        to="desk.caseupdate",
                    ),
                ),
                ("decided_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["state", "id"], name="mail_by_state"),
                    models.Index(fields=["from_email", "received_at"], name="mail_by_sender"),
                    models.Index(fields=["case", "received_at"], name="mail_by_case"),
                    models.Index(fields=["message_id"], name="mail_by_message_id"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CannedAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True)),
                ("text_en", models.TextField()),
                ("text_id", models.TextField()),
                ("changed_by", models.CharField(max_length=200)),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Draft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drafts",
                        to="desk.person",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drafts",
                        to="desk.case",
                    ),
                ),
                ("text", models.TextField()),
                ("saved_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("person", "case"), name="draft_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="saved_views",
                        to="desk.person",
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("filters", models.JSONField()),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "name"), name="view_name_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("owner", None)),
                        fields=("name",),
                        name="shared_view_name_once",
                    ),
                ],
            },
        ),
        migrations.RunPython(make_calendars, migrations.RunPython.noop),
        migrations.RunPython(make_case_index, drop_case_index),
    ]
