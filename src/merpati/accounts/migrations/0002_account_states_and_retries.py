"""Accounts can be suspended with a reason and closed, and have a retry schedule of their own."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField("account", "closed_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            "account", "expire_seconds", models.PositiveIntegerField(blank=True, null=True)
        ),
        migrations.AddField(
            "account", "retry_seconds", models.PositiveIntegerField(blank=True, null=True)
        ),
        migrations.AddField(
            "account",
            "suspension_reason",
            models.CharField(blank=True, default="", max_length=200),
        ),
    ]
