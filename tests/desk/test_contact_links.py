"""Signed addresses and page links: whoever changes one holds nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from merpati.desk.contact_links import (
    PAGE_LASTS,
    ContactLink,
    LinkExpired,
    LinkInvalid,
    page_token,
    read_page_token,
    read_reply_address,
    reply_address,
)
from merpati.settings import SUPPORT_LOCAL_CHARACTERS

KEY, OTHER = b"k" * 32, b"o" * 32
SUPPORT = "support@desk.example"
LINK = ContactLink(7, 1_000_003)
ADDRESS = reply_address(KEY, LINK, SUPPORT)
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("spelling", [ADDRESS, ADDRESS.upper(), f" {ADDRESS} "])
def test_an_address_leads_to_its_contact_and_case(spelling: str) -> None:
    assert read_reply_address(KEY, spelling, SUPPORT) == LINK


def test_the_longest_address_fits_a_local_part() -> None:
    longest = "s" * SUPPORT_LOCAL_CHARACTERS + "@desk.example"
    local = reply_address(KEY, ContactLink(2**32 - 1, 2**32 - 1), longest).partition("@")[0]
    assert len(local) == 64


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(SUPPORT, id="no token"),
        pytest.param(ADDRESS.replace("desk.example", "other.example"), id="another domain"),
        pytest.param(ADDRESS.replace("support", "sales"), id="another name"),
        pytest.param(reply_address(OTHER, LINK, SUPPORT), id="another key"),
        pytest.param("support+" + "z" * 36 + "@desk.example", id="no hex"),
        pytest.param("support+" + "ab " * 12 + "@desk.example", id="blanks"),
        pytest.param(
            "support+" + page_token(KEY, LINK, NOW)[:36] + "@desk.example", id="of a page"
        ),
    ],
)
def test_no_other_address_leads_anywhere(address: str) -> None:
    assert read_reply_address(KEY, address, SUPPORT) is None


def test_each_changed_digit_of_an_address_spoils_it() -> None:
    start = len("support+")
    for at in range(start, start + 36):
        digit = "0" if ADDRESS[at] != "0" else "1"
        changed = ADDRESS[:at] + digit + ADDRESS[at + 1 :]
        assert read_reply_address(KEY, changed, SUPPORT) is None


def test_a_page_token_opens_for_ninety_days() -> None:
    """L5: after that it says whose it was, so that the page can explain."""
    token = page_token(KEY, LINK, NOW)
    assert read_page_token(KEY, token, NOW + PAGE_LASTS) == LINK
    with pytest.raises(LinkExpired, match="Answer the email") as expired:
        read_page_token(KEY, token, NOW + PAGE_LASTS + timedelta(days=1))
    assert expired.value.link == LINK


def test_no_other_page_token_opens() -> None:
    token = page_token(KEY, LINK, NOW)
    changed = [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(40)
    ]
    others = ["", "x", token[:-1], token + "AAAA", token[:20] + "!" + token[20:], "é" * 8]
    for text in (*changed, *others, page_token(OTHER, LINK, NOW), ADDRESS[8:44]):
        with pytest.raises(LinkInvalid):
            read_page_token(KEY, text, NOW)
