"""HTML that strangers wrote: kept as it came, and cleaned whenever it is looked at.

What is shown has no script, style, form, frame or picture (one picture tells its sender that, when
and from where a mail was read); links say openly where they lead. Show it in a sandboxed frame all
the same.
"""

from __future__ import annotations

import html
import re

import nh3

SHOWN_CHARACTERS = 500_000
_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1"),
    *("h2", "h3", "h4", "h5", "h6", "hr", "i", "ins", "li", "ol", "p", "pre", "s", "small", "span"),
    *("strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
_HIDDEN = {"script", "style", "title", "template", "noscript", "iframe", "object", "svg", "math"}
_BREAKS = {"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "hr"}
_MOST_TAGS = 8_000  # a second, at worst: deep nesting costs with its square
_TAG = re.compile(r"<(/?)([a-z0-9]+)[^<>]*>")


def html_to_show(raw: str) -> str:
    """Return a mail's HTML as it may be shown: no more than text, tables and open links."""
    return _cleaned(raw[:SHOWN_CHARACTERS], _TAGS, _ATTRIBUTES)


def text_of_html(raw: str) -> str:
    """Return what there is to read in a mail's HTML, a line for each block."""
    found = _cleaned(raw[:SHOWN_CHARACTERS], _BREAKS, {})
    # The cleaner closes what it opens and escapes the rest: a tag here is one of _BREAKS.
    lines = _TAG.sub(lambda tag: "" if tag[1] and tag[2] != "p" else "\n", found)
    text = "\n".join(" ".join(line.split()) for line in html.unescape(lines).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _cleaned(raw: str, tags: set[str], attributes: dict[str, set[str]]) -> str:
    if raw.count("<") > _MOST_TAGS:
        raw = raw[: _nth(raw, _MOST_TAGS)]
    return nh3.clean(
        raw,
        tags=tags,
        attributes=attributes,
        clean_content_tags=_HIDDEN,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _nth(text: str, count: int) -> int:
    """Return where the `count`-th "<" of a text stands."""
    at = -1
    for _ in range(count):
        at = text.index("<", at + 1)
    return at
