"""A form of a migration's pages that was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """Which form it was, why it was refused, a sentence each, and what was typed."""

    form: str
    words: Sequence[str]
    given: dict[str, Any] = field(default_factory=dict)
