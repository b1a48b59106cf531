"""The browser's walk goes to every page that there is (`tests/browser/pages.py`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from tests.browser.pages import NOT_WALKED, PAGES


def routes(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield str(pattern.pattern)
        else:
            yield from routes(pattern.url_patterns)


def route_of(path: str) -> str | None:
    """Return the route of a page's path, any number or name in the place of the seed's."""
    try:
        return resolve(path.partition("?")[0].format_map(defaultdict(lambda: "1"))).route
    except Resolver404:  # the page that says so
        return None


def test_every_page_is_walked_or_said_to_be_none() -> None:
    walked = {route_of(page.path) for page in PAGES} - {None}
    others = [route for group in NOT_WALKED.values() for route in group]
    assert len(others) == len(set(others))
    assert walked.isdisjoint(others)
    assert walked | set(others) == set(routes(get_resolver().url_patterns))
