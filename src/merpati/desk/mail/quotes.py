"""What is new in a reply, and what it quotes. The full text is always kept beside it.

Two readers find where the quoted mail begins, and the earlier place counts: mail-parser-reply,
which knows thirteen languages, and our own patterns for Indonesian, which is not among them. Where
nothing would remain nothing is folded: better shown twice than lost.
"""

from __future__ import annotations

import re

from mailparser_reply import EmailReplyParser

# Its patterns cost the third power of the length: half a second at worst for these, minutes for a
# page. Most replies are shorter; in longer ones our own patterns find what they know.
READ_CHARACTERS = 1_500
_LANGUAGES = ("en", "de", "fr", "es", "nl", "ja", "zh")
_DAY = r"(?:senin|selasa|rabu|kamis|jumat|jum'at|sabtu|minggu|sen|sel|rab|kam|jum|sab|min)"
_LINE = r"[^\n]{3,200}"
_MARKS = r"-{3,} ?(?:pesan asli|pesan yang diteruskan|original message) ?-{3,}"
_STARTS = tuple(
    re.compile(f"^ {{0,3}}{pattern}", re.IGNORECASE | re.MULTILINE)
    for pattern in (
        # Gmail, Apple Mail: "Pada Sen, 2 Mar 2026 pukul 10.05 Budi <budi@…> menulis:"
        rf"pada {_LINE}\n?[^\n]{{0,200}}\bmenulis\s{{0,3}}:\s*$",
        rf"{_DAY}\.?, {_LINE} menulis\s{{0,3}}:\s*$",
        rf"on {_LINE}\n?[^\n]{{0,200}}\bwrote\s{{0,3}}:\s*$",
        # Outlook: a block of such lines
        r"\*?dari\*?\s{0,3}:[^\n]*\n(?:[^\n]*\n)?\*?(?:terkirim|dikirim|tanggal|kepada)\*?\s{0,3}:",
        r"\*?from\*?\s{0,3}:[^\n]*\n(?:[^\n]*\n)?\*?(?:sent|date|to)\*?\s{0,3}:",
        rf"{_MARKS}\s*$",
    )
)
_QUOTED = re.compile(r"^\s{0,3}>")


def new_part(text: str) -> str:
    """Return what a reply says anew; all of it where it says nothing anew."""
    return said_anew(text) or text.strip()


def said_anew(text: str) -> str:
    """Return what a reply says beside the mail it quotes and lines marked ">", "" for nothing."""
    # Runs of blank lines bring the other reader's patterns to a halt.
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()
    head = text[: _first_quote(text)]
    return _unquoted(head).strip()


def _first_quote(text: str) -> int:
    """Return where the mail that a reply quotes begins; the end where it quotes none."""
    found = [match.start() for pattern in _STARTS if (match := pattern.search(text))]
    beginning = text[:READ_CHARACTERS]
    replies = EmailReplyParser(languages=list(_LANGUAGES)).read(beginning).replies
    if len(replies) > 1 and (quoted := replies[1].headers.strip()):
        found.append(max(text.find(quoted.split("\n")[0].strip()), 0))
    return min(found, default=len(text))


def _unquoted(text: str) -> str:
    """Leave out quoted lines at the end; those that are answered one by one stay."""
    lines = text.rstrip().split("\n")
    while lines and (_QUOTED.match(lines[-1]) or not lines[-1].strip()):
        lines.pop()
    return "\n".join(lines)
