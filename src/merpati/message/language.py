"""Language tags, and which of the languages at hand suits a reader best. Pure.

A tag is accepted as far as it can be one: whether its language exists does not matter, and `id_ID`,
as many systems write it, means `id-ID`.

Source: RFC 5646 2.1 (syntax, case), RFC 4647 3.4 (lookup).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_MOST_CHARACTERS = 64
_REGION, _SCRIPT = 2, 4  # characters


def language_tag(text: str) -> str | None:
    """Return a tag as RFC 5646 writes it (`id-ID`, `zh-Hant-TW`); None for what cannot be one."""
    tag = text.strip().replace("_", "-")
    if len(tag) > _MOST_CHARACTERS or not _TAG.fullmatch(tag):
        return None
    first, *others = tag.lower().split("-")
    written = [first]
    for part in others:
        is_plain = len(written[-1]) > 1  # behind a singleton (`x-`, `u-`) everything is lower case
        if is_plain and len(part) == _REGION:
            written.append(part.upper())
        elif is_plain and len(part) == _SCRIPT:
            written.append(part.title())
        else:
            written.append(part)
    return "-".join(written)


def from_exact_to_wide(tag: str) -> Iterator[str]:
    """Give the tags that suit a reader of `tag`, the most exact first: zh-Hant-TW, zh-Hant, zh."""
    parts = tag.split("-")
    while parts:
        yield "-".join(parts)
        parts.pop()
        if parts and len(parts[-1]) == 1:  # a singleton says nothing by itself
            parts.pop()
