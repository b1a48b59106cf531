"""A domain may have several DKIM keys, each in a state; the one it had signs, or is to."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def keep_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give each domain's key its row: of a verified domain it is active, else new."""
    keys = apps.get_model("sending", "DkimKey")
    domains: Any = apps.get_model("sending", "SendingDomain").objects
    for domain in domains.all():
        keys.objects.create(
            domain=domain,
            algorithm="rsa",
            selector=domain.selector,
            private_key=domain.private_key,
            public_key=domain.public_key,
            state="active" if domain.verified_at else "new",
            created_at=domain.created_at,
            state_since=domain.verified_at or domain.created_at,
        )


class Migration(migrations.Migration):
    dependencies = [("sending", "0003_queue_orders")]

    operations = [
        migrations.CreateModel(
            name="DkimKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "algorithm",
                    models.CharField(
                        choices=[("rsa", "Rsa"), ("ed25519", "Ed25519")], max_length=10
                    ),
                ),
                ("selector", models.CharField(max_length=63)),
                ("private_key", models.BinaryField()),
                ("public_key", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("published", "Published"),
                            ("new", "New"),
                            ("retiring", "Retiring"),
                        ],
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("state_since", models.DateTimeField()),
                (
                    "domain",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dkim_keys",
                        to="sending.sendingdomain",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("domain", "selector"), name="dkim_selector_per_domain"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(state="active"),
                        fields=("domain", "algorithm"),
                        name="dkim_one_active_key",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(state__in=["new", "published"]),
                        fields=("domain", "algorithm"),
                        name="dkim_one_waiting_key",
                    ),
                ],
            },
        ),
        migrations.RunPython(keep_keys, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField("sendingdomain", "private_key"),
        migrations.RemoveField("sendingdomain", "public_key"),
        migrations.RemoveField("sendingdomain", "selector"),
    ]
