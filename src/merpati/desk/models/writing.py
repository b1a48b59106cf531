"""What helps the desk write: canned answers, drafts, saved views.

Only `canned_answers.py`, `drafts.py` and `saved_views.py` write these. Moments are aware datetimes,
handed in.
"""

from __future__ import annotations

from django.db import models

from merpati.desk.models.cases import Case
from merpati.desk.models.people import Person


class CannedAnswer(models.Model):
    """A text that is written often, in both languages, with names that are filled in."""

    name = models.CharField(max_length=200, unique=True)
    text_en = models.TextField()
    text_id = models.TextField()
    changed_by = models.CharField(max_length=200)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Draft(models.Model):
    """What a person has begun to write in a case, kept until they send or drop it."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="drafts")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="drafts")
    text = models.TextField()
    saved_at = models.DateTimeField()

    class Meta:
        """One draft a person and case."""

        constraints = (models.UniqueConstraint(fields=["person", "case"], name="draft_once"),)

    def __str__(self) -> str:
        return f"{self.person_id} #{self.case_id}"


class SavedView(models.Model):
    """A search under a name; owner None: everybody of the desk has it."""

    owner = models.ForeignKey(
        Person, on_delete=models.CASCADE, related_name="saved_views", null=True
    )
    name = models.CharField(max_length=200)
    filters = models.JSONField()  # as `view_filters.py` has them
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        """A name is given once to each person, and once to all."""

        constraints = (
            models.UniqueConstraint(fields=["owner", "name"], name="view_name_once"),
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(owner=None), name="shared_view_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name
