"""The index of words, made and filled from what there is."""

from typing import Any

from django.db import migrations

from merpati.desk import case_index
from merpati.desk.case_entries import remember_all


def make(apps: Any, schema_editor: Any) -> None:
    case_index.create(schema_editor.connection)
    updates = apps.get_model("desk", "CaseUpdate").objects.all()
    for _ in remember_all(updates, apps.get_model("desk", "CaseLink").objects):
        pass


def drop(apps: Any, schema_editor: Any) -> None:
    case_index.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("desk", "0005_case_tools")]

    operations = [migrations.RunPython(make, drop)]
