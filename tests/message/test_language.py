"""Language tags as people and systems write them."""

from __future__ import annotations

import pytest

from merpati.message.language import from_exact_to_wide, language_tag


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("id", "id"),
        (" ID-id ", "id-ID"),
        ("id_ID", "id-ID"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("en-u-CA-gregory", "en-u-ca-gregory"),
        ("x-PRIVATE", "x-private"),
        ("tlh", "tlh"),  # whether anybody speaks it is not our business
        ("", None),
        ("i d", None),
        ("id-", None),
        ("id--ID", None),
        ("42", None),
        ("indonesian-language-of-java", None),
        ("id\r\nBcc", None),
        ("a" + "-b" * 40, None),
    ],
)
def test_tags_are_written_one_way(written: str, tag: str | None) -> None:
    assert language_tag(written) == tag


@pytest.mark.parametrize(
    ("tag", "tags"),
    [
        ("zh-Hant-TW", ["zh-Hant-TW", "zh-Hant", "zh"]),
        ("en-u-ca-gregory", ["en-u-ca-gregory", "en-u-ca", "en"]),
        ("", [""]),
    ],
)
def test_the_most_exact_tag_comes_first(tag: str, tags: list[str]) -> None:
    assert list(from_exact_to_wide(tag)) == tags
