"""What a transmission says in several languages, judged: tags, texts, headers, limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from merpati.contracts.batch import Variant
from merpati.message.language import language_tag
from merpati.sending.address import breaks_a_line
from merpati.sending.injection_errors import FieldInvalid, FieldMissing, HeaderRefused

MOST_VARIANTS = 50


def checked_language(text: str) -> str:
    """Return `content.language` as a tag, "" for none. Raises FieldInvalid."""
    return _tag(text, "content.language") if text.strip() else ""


def checked_variants(variants: Mapping[str, Variant]) -> dict[str, Variant]:
    """Return variants by tag.

    Raises FieldInvalid, FieldMissing and HeaderRefused, each naming the variant's field.
    """
    if len(variants) > MOST_VARIANTS:
        raise FieldInvalid(
            f"content.variants: at most {MOST_VARIANTS} languages", field="content.variants"
        )
    checked: dict[str, Variant] = {}
    for name, variant in variants.items():
        tag = _tag(name, f"content.variants.{_shown(name)}")
        field = f"content.variants.{tag}"
        if tag in checked:
            raise FieldInvalid(f"{field} is given twice", field=field)
        if variant == Variant():
            raise FieldMissing(
                f"{field} needs subject, text, html, amp_html or reply_to", field=field
            )
        if variant.amp_html is not None and variant.text is None and variant.html is None:
            raise FieldMissing(f"{field} needs text or html beside amp_html", field=field)
        for part, value in (("subject", variant.subject), ("reply_to", variant.reply_to)):
            if value is not None and breaks_a_line(value):
                raise HeaderRefused(
                    f"{field}.{part} must not contain line breaks or control characters",
                    f"{field}.{part}",
                )
        checked[tag] = variant
    return checked


def language_trouble(language: str) -> str | None:
    """Return why a recipient's language cannot be used, None when it can, known or not."""
    if not language or language_tag(language) is not None:
        return None
    return f"language is not a BCP 47 tag such as id-ID: {_shown(language)}"


def _tag(text: str, field: str) -> str:
    tag = language_tag(text)
    if tag is None:
        raise FieldInvalid(
            f"{field}: '{_shown(text)}' is not a BCP 47 tag such as id-ID", field=field
        )
    return tag


def _shown(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")[:100]
