"""Warm-ups and migrations from an old provider."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("plans", "0001_warmup"),
        ("plans", "0002_migrations_from_old_providers"),
        ("plans", "0003_migration_steps"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_tables"),
        ("sending", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Migration",
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="migrations",
                        to="accounts.account",
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("done", "Done"),
                            ("rolled_back", "Rolled Back"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("traffic", models.JSONField()),
                ("starts_on", models.DateField()),
                ("seed", models.BigIntegerField()),
                (
                    "egress",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="sending.egress",
                    ),
                ),
                (
                    "on_spent",
                    models.CharField(
                        choices=[("old", "old"), ("wait", "wait"), ("pool", "pool")], max_length=8
                    ),
                ),
                (
                    "on_block",
                    models.CharField(choices=[("wait", "wait"), ("old", "old")], max_length=8),
                ),
                (
                    "when_old_fails",
                    models.CharField(choices=[("wait", "wait"), ("move", "move")], max_length=8),
                ),
                ("calendar_key", models.CharField(max_length=43, unique=True)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("version", models.PositiveIntegerField(default=0)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "name"), name="migration_name_per_account"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MigrationStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "migration",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="plans.migration",
                    ),
                ),
                ("key", models.CharField(max_length=280)),
                ("done_by", models.CharField(max_length=200)),
                ("done_at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("migration", "key"), name="migration_step_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="MigrationCell",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "migration",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cells",
                        to="plans.migration",
                    ),
                ),
                ("pool", models.CharField(max_length=100)),
                ("provider", models.CharField(max_length=253)),
                ("starts_on", models.DateField()),
                ("messages_per_day", models.PositiveIntegerField()),
                ("target_per_day", models.PositiveIntegerField()),
                ("done_early", models.DateField(blank=True, null=True)),
                ("done_likely", models.DateField(blank=True, null=True)),
                ("done_late", models.DateField(blank=True, null=True)),
                ("share", models.PositiveIntegerField(default=0)),
                ("held_because", models.CharField(blank=True, max_length=500)),
                ("held_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("migration", "pool", "provider"), name="migration_cell_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MigrationDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "cell",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="days",
                        to="plans.migrationcell",
                    ),
                ),
                ("day", models.DateField()),
                ("planned_share", models.PositiveIntegerField(default=0)),
                ("planned", models.PositiveIntegerField(default=0)),
                ("planned_low", models.PositiveIntegerField(default=0)),
                ("planned_high", models.PositiveIntegerField(default=0)),
                ("share", models.PositiveIntegerField(blank=True, null=True)),
                ("allowance", models.PositiveIntegerField(blank=True, null=True)),
                ("kind", models.CharField(blank=True, max_length=20)),
                ("facts", models.JSONField(default=dict)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("cell", "day"), name="migration_day_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WarmupTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sending_ip",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="warmup_targets",
                        to="sending.sendingip",
                    ),
                ),
                ("provider", models.CharField(max_length=253)),
                ("messages_per_day", models.PositiveIntegerField()),
                ("set_by", models.CharField(max_length=200)),
                ("set_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sending_ip", "provider"), name="warmup_target_per_ip_provider"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="WarmupOverride",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sending_ip",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="warmup_overrides",
                        to="sending.sendingip",
                    ),
                ),
                ("provider", models.CharField(max_length=253)),
                ("first_day", models.DateField()),
                ("last_day", models.DateField()),
                ("messages", models.PositiveIntegerField()),
                ("reason", models.CharField(max_length=500)),
                ("by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_day__gte", models.F("first_day"))),
                        name="warmup_override_ends",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="warmup_override_has_reason",
                    ),
                ],
            },
        ),
    ]
