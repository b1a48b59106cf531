"""How mail is divided between our IPs and an account's old provider, while it moves. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from merpati.contracts.sending_policy import Egress, Migration, OnBlock, OnOldFailure, OnSpent


@dataclass(frozen=True, slots=True)
class Split:
    """The division of a pool's mail to one provider. share: of 10,000 recipients, ours."""

    migration: Migration
    egress: Egress
    share: int

    @property
    def overflows(self) -> bool:
        """Return whether mail of ours may use the overflow pool when an allowance is spent."""
        return not self.migration.paused and self.migration.on_spent is OnSpent.POOL

    @property
    def is_relieved(self) -> bool:
        """Return whether mail of ours goes by the old provider when an allowance is spent."""
        return bool(self.migration.paused) or self.migration.on_spent is OnSpent.OLD

    def goes_old(
        self, bucket: int, *, is_refused: bool, is_spent: bool, has_old_failed: bool
    ) -> bool:
        """Return whether a message goes by the old provider, as things are.

        is_refused: a provider refused it from one of our IPs; is_spent: none of our IPs has any
        allowance left for it, or no more than what waits already needs; has_old_failed: the old
        provider takes nothing.
        """
        migration = self.migration
        if is_refused:
            return migration.on_block is OnBlock.OLD
        if bucket >= self.share:
            return not (has_old_failed and migration.when_old_fails is OnOldFailure.MOVE)
        return is_spent and self.is_relieved


def split_of(migration: Migration, egress: Egress, provider: str) -> Split:
    """Return the division at a provider; what no share names goes by the old provider."""
    shares = {share.provider: share.share for share in migration.shares}
    return Split(migration, egress, shares.get(provider, shares.get("", 0)))
