"""The database connection that a thread keeps from one piece of work to the next."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections


def look_after_connection() -> None:
    """Close this thread's connection after trouble, or when its time is up; the next opens anew.

    What `close_old_connections` does at the signals of a request, for work that sends none.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.errors_occurred or connection.close_at is not None:
        connection.close_if_unusable_or_obsolete()
