"""What other rooms may follow of accounts, without this room knowing them.

Both are sent inside the action's transaction: a receiver that raises undoes the action.
"""

from django.dispatch import Signal

account_created = Signal()  # account: Account, now: datetime
account_changed = Signal()  # account_id: int; also its keys
