"""A mail of the desk as text and as simple HTML, from one list of paragraphs. Pure.

What people wrote is untrusted: the HTML escapes all of it and holds no links but our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

QUOTED_LINES = 8
QUOTED_CHARACTERS = 600
_STYLE = "border-left:3px solid #999;margin:1em 0;padding-left:1em;color:#555"


@dataclass(frozen=True, slots=True)
class Quote:
    """What is answered: a line that says who wrote it and when, and its beginning."""

    said_by: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The beginning, with a sign where more is left out."""
        text = self.text[:QUOTED_CHARACTERS]
        lines = text.split("\n")[:QUOTED_LINES]
        return lines if "\n".join(lines) == self.text else [*lines, "[…]"]


@dataclass(frozen=True, slots=True)
class Letter:
    """paragraphs: each of one or more lines; link: words and URL of the page; footer: small."""

    greeting: str
    paragraphs: Sequence[str]
    signature: str
    link: tuple[str, str] | None = None
    quote: Quote | None = None
    footer: str = ""


def as_text(letter: Letter) -> str:
    """Return a letter as plain text."""
    parts = [letter.greeting, *letter.paragraphs]
    if letter.link is not None:
        parts.append(f"{letter.link[0]}\n{letter.link[1]}")
    parts.append(letter.signature)
    if letter.footer:
        parts.append(f"-- \n{letter.footer}")
    if letter.quote is not None:
        parts.append("\n".join([letter.quote.said_by, *(f"> {x}" for x in letter.quote.lines)]))
    return "\n\n".join(parts) + "\n"


def as_html(letter: Letter, language: str) -> str:
    """Return a letter as HTML without pictures, styles from elsewhere or scripts."""
    parts = [_p(text) for text in (letter.greeting, *letter.paragraphs)]
    if letter.link is not None:
        words, url = letter.link
        parts.append(f'<p>{escape(words)}<br><a href="{escape(url)}">{escape(url)}</a></p>')
    parts.append(_p(letter.signature))
    if letter.footer:
        parts.append(f"<hr><p><small>{_lines(letter.footer)}</small></p>")
    if letter.quote is not None:
        quoted = _lines("\n".join(letter.quote.lines))
        parts.append(
            f"<p>{escape(letter.quote.said_by)}</p>"
            f'<blockquote style="{_STYLE}">{quoted}</blockquote>'
        )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="{language}"><body>\n{body}\n</body></html>\n'


def _p(text: str) -> str:
    return f"<p>{_lines(text)}</p>"


def _lines(text: str) -> str:
    return "<br>\n".join(escape(line) for line in text.split("\n"))
