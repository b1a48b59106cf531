"""A migration from an old provider as it is stored: the plan, its cells, and each day's decision.

What was really sent is not here: the recorder counts it (`events/provider_days.py`).
"""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import Account
from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent
from merpati.sending.models import Egress


class MigrationState(models.TextChoices):
    """Where a migration stands."""

    DRAFT = "draft"  # a plan, nothing is done
    RUNNING = "running"
    PAUSED = "paused"  # nobody moves, the split stays
    DONE = "done"  # cut over: all mail goes from here
    ROLLED_BACK = "rolled_back"  # all mail goes by the old provider, no share ever rises


class Migration(models.Model):
    """One migration of an account. traffic: flows as `stored_traffic.py` writes them.

    reason: why it is paused or rolled back. version, changed_at: of the calendar feed, which
    whoever knows calendar_key may read.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="migrations")
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=MigrationState, default=MigrationState.DRAFT)
    reason = models.CharField(max_length=500, blank=True)
    traffic = models.JSONField()
    starts_on = models.DateField()
    seed = models.BigIntegerField()
    egress = models.ForeignKey(Egress, on_delete=models.SET_NULL, null=True, blank=True)
    on_spent = models.CharField(max_length=8, choices=[(way.value, way.value) for way in OnSpent])
    on_block = models.CharField(max_length=8, choices=[(way.value, way.value) for way in OnBlock])
    when_old_fails = models.CharField(
        max_length=8, choices=[(way.value, way.value) for way in OnOldFailure]
    )
    calendar_key = models.CharField(max_length=43, unique=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField()

    class Meta:
        """An account names a migration once."""

        constraints = (
            models.UniqueConstraint(fields=["account", "name"], name="migration_name_per_account"),
        )

    def __str__(self) -> str:
        return f"{self.name} of account {self.account_id}"


class MigrationStep(models.Model):
    """A step of the plan that was done by hand, or is done without. key: as `Step.key`."""

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=280)
    done_by = models.CharField(max_length=200)
    done_at = models.DateTimeField()
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        """A step is done once."""

        constraints = (
            models.UniqueConstraint(fields=["migration", "key"], name="migration_step_once"),
        )

    def __str__(self) -> str:
        return f"{self.key} of migration {self.migration_id}"


class MigrationCell(models.Model):
    """One pool at one provider. held_because: why a person holds it, "" if nobody does."""

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="cells")
    pool = models.CharField(max_length=100)  # slug
    provider = models.CharField(max_length=253)
    starts_on = models.DateField()
    messages_per_day = models.PositiveIntegerField()
    target_per_day = models.PositiveIntegerField()
    done_early = models.DateField(null=True, blank=True)
    done_likely = models.DateField(null=True, blank=True)
    done_late = models.DateField(null=True, blank=True)
    share = models.PositiveIntegerField(default=0)  # of 10,000, as decided last
    held_because = models.CharField(max_length=500, blank=True)
    held_by = models.CharField(max_length=200, blank=True)

    class Meta:
        """A pool meets a provider once."""

        constraints = (
            models.UniqueConstraint(
                fields=["migration", "pool", "provider"], name="migration_cell_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.pool} at {self.provider}"


class MigrationDay(models.Model):
    """What is planned for a cell on a day, and what was decided once it came.

    Planned: of 10,000, messages. kind, facts: why the share is what it is; "" until it is decided.
    """

    cell = models.ForeignKey(MigrationCell, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    planned_share = models.PositiveIntegerField(default=0)
    planned = models.PositiveIntegerField(default=0)
    planned_low = models.PositiveIntegerField(default=0)
    planned_high = models.PositiveIntegerField(default=0)
    share = models.PositiveIntegerField(null=True, blank=True)
    allowance = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=20, blank=True)
    facts = models.JSONField(default=dict)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """A day comes once."""

        constraints = (models.UniqueConstraint(fields=["cell", "day"], name="migration_day_once"),)

    def __str__(self) -> str:
        return f"{self.cell_id} on {self.day}"
