"""A content in several languages: who gets which."""

from __future__ import annotations

import msgspec
import pytest

from merpati.contracts.batch import Attachment, Variant
from merpati.message.compose import compose
from merpati.message.errors import TemplateSyntaxError
from merpati.message.variants import CompiledVariants
from tests.message.test_compose import RECIPIENT, SIGNER, STAMP, changed, is_verified, parsed

CONTENT = changed(
    language="en",
    reply_to="help@example.com",
    attachments=[Attachment("price.pdf", "application/pdf", b"%PDF" * 1000)],
    variants={
        "id": Variant("Halo {{ name }}", text="Apa kabar?", html="<p>Apa kabar?</p>"),
        "id-ID": Variant("Halo, {{ name }}!"),
        "zh-Hant": Variant("你好", text="你好", reply_to="bantuan@example.com"),
    },
)


@pytest.mark.parametrize(
    ("language", "subject", "told"),
    [
        ("id-ID", "Halo, Sari!", "id-ID"),
        ("ID-id", "Halo, Sari!", "id-ID"),
        ("id_ID", "Halo, Sari!", "id-ID"),
        ("id-MY", "Halo Sari", "id"),
        ("zh-Hant-TW", "你好", "zh-Hant"),
        ("zh", "Sari, news", "en"),  # another script may be no help
        ("tlh", "Sari, news", "en"),
        ("", "Sari, news", "en"),
    ],
)
def test_the_most_exact_variant_is_sent(language: str, subject: str, told: str) -> None:
    recipient = msgspec.structs.replace(RECIPIENT, language=language)
    message = compose(CompiledVariants(CONTENT).suiting(language), recipient, STAMP, SIGNER)
    read = parsed(message)
    assert message.subject == read["Subject"] == subject
    assert read["Content-Language"] == told
    assert is_verified(message.data)


def texts(language: str) -> tuple[str, str | None, str]:
    compiled = CompiledVariants(CONTENT).suiting(language)
    read = parsed(compose(compiled, RECIPIENT, STAMP, SIGNER))
    text, html = read.get_body(("plain",)), read.get_body(("html",))
    assert text is not None
    shown = None if html is None else html.get_content().strip()
    return text.get_content().strip(), shown, read["Reply-To"]


def test_what_a_variant_leaves_out_comes_from_the_content_but_languages_never_mix() -> None:
    assert texts("id")[2] == "help@example.com"
    assert texts("id-ID")[1] == "<p>Hello Sari</p>"  # only its subject differs
    assert texts("zh-Hant") == ("你好", None, "bantuan@example.com")


def test_a_mistake_in_one_variant_fails_that_one_alone() -> None:
    broken = changed(variants={"id": Variant("{{ if }}")})
    variants = CompiledVariants(broken)
    with pytest.raises(TemplateSyntaxError):
        variants.suiting("id")
    assert compose(variants.suiting("en"), RECIPIENT, STAMP, SIGNER).subject == "Sari, news"


def test_a_variant_is_compiled_once_and_its_files_are_shared() -> None:
    variants = CompiledVariants(CONTENT)
    assert variants.suiting("id") is variants.suiting("id-x")
    assert variants.suiting("id").layout is variants.suiting("").layout
