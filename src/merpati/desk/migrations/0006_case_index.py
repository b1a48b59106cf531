"""The index of words, made and filled from what there is."""

from typing import Any

from django.db import migrations

from merpati.desk import case_index
from merpati.desk.case_entries import remember_words


def make(apps: Any, schema_editor: Any) -> None:
    case_index.create(schema_editor.connection)
    updates = apps.get_model("desk", "CaseUpdate").objects.filter(text__gt="")
    links = apps.get_model("desk", "CaseLink").objects
    for update in updates.select_related("case__account", "case__opened_by").iterator(500):
        named = links.filter(case=update.case) if update.kind == "opened" else links.none()
        remember_words(update.case, update, named.values_list("value", flat=True))


def drop(apps: Any, schema_editor: Any) -> None:
    case_index.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("desk", "0005_case_tools")]

    operations = [migrations.RunPython(make, drop)]
