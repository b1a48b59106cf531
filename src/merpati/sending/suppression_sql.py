"""The SQL of the suppression list, by database: all of ours that is not the same on both.

It is written by hand since Django's own takes ten times as long, and the question stands on every
call's way. A test on either database holds it against the model.
"""

from __future__ import annotations

# One query whatever the number of addresses: the list goes in as one value, the first. CROSS JOIN
# keeps SQLite from reading the account's whole list first, however it guesses.
AMONG = {
    "sqlite": """
        SELECT wanted.value, s.source
        FROM json_each(?) AS wanted CROSS JOIN sending_suppression AS s
        WHERE s.account_id = ? AND s.recipient = wanted.value AND s.type = ? AND s.list_id = ''
    """,
    "postgresql": """
        SELECT s.recipient, s.source
        FROM sending_suppression AS s
        WHERE s.recipient = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))
          AND s.account_id = %s AND s.type = %s AND s.list_id = ''
    """,
}

# For one address on SQLite, by far the most frequent question: asked of the driver itself, since
# Django's cursor takes twice as long as the answer.
ONE_ON_SQLITE = """
    SELECT source FROM sending_suppression
    WHERE account_id = ? AND recipient = ? AND type = ? AND list_id = ''
"""

_INTO = """
    INSERT INTO sending_suppression (account_id, created_at, updated_at,
      recipient, type, list_id, source, description)
    SELECT %s, %s, %s,
"""

# Entries of one account and moment: (recipient, type, list_id, source, description) as JSON.
INSERT = {
    "sqlite": _INTO
    + ", ".join(f"json_extract(value, '$[{place}]')" for place in range(5))
    + " FROM json_each(%s) WHERE true",
    "postgresql": _INTO
    + ", ".join(f"value->>{place}" for place in range(5))
    + " FROM json_array_elements(%s::json)",
}
TAKES_THE_NEW = """
    ON CONFLICT (account_id, recipient, type, list_id) DO UPDATE
    SET source = excluded.source, description = excluded.description,
      updated_at = excluded.updated_at
    WHERE sending_suppression.source <> 'Compliance'
"""
STAYS = " ON CONFLICT (account_id, recipient, type, list_id) DO NOTHING"


def for_django(question: dict[str, str], vendor: str) -> str:
    """Return a question with the placeholders of Django's cursor."""
    return question[vendor].replace("?", "%s")
