"""The table of Django's cache in the database, in which attempts are counted."""

from typing import Any

from django.core.management import call_command
from django.db import migrations


def make(apps: Any, schema_editor: Any) -> None:
    call_command(
        "createcachetable", "rate_limits", database=schema_editor.connection.alias, verbosity=0
    )


def drop(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("DROP TABLE rate_limits")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_invitations_and_agreements")]

    operations = [migrations.RunPython(make, drop)]
