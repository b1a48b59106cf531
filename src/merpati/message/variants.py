"""A content in several languages: each recipient gets the variant that suits them best.

The most exact tag wins (`id-ID`, then `id`), else the content's own texts. A variant is compiled
when its first recipient comes; all share the files, which are encoded once.
"""

from __future__ import annotations

import msgspec

from merpati.contracts.batch import Content, Variant
from merpati.message.compose import CompiledContent, compile_content
from merpati.message.language import from_exact_to_wide
from merpati.message.mime import Layout


class CompiledVariants:
    """A content with variants, prepared for all its recipients; any thread may ask.

    Two threads may compile the same variant at once: both results are equal, either stays.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._languages = {tag.lower(): tag for tag in content.variants}
        self._compiled: dict[str, CompiledContent] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}

    def suiting(self, language: str) -> CompiledContent:
        """Return what a recipient of that language gets; raises TemplateSyntaxError.

        language: a BCP 47 tag in any case, "" for a recipient of whom none is known.
        """
        asked = from_exact_to_wide(language.lower().replace("_", "-"))
        chosen = next((self._languages[tag] for tag in asked if tag in self._languages), "")
        compiled = self._compiled.get(chosen)
        if compiled is None:
            content = in_language(self._content, chosen) if chosen else self._content
            compiled = self._compiled[chosen] = compile_content(content, self._layouts)
        return compiled


def in_language(content: Content, language: str) -> Content:
    """Return a content as its variant of that language has it."""
    variant = content.variants[language]
    own_texts = (variant.text, variant.html, variant.amp_html)
    source: Variant | Content = content if own_texts == (None, None, None) else variant
    return msgspec.structs.replace(
        content,
        language=language,
        subject=content.subject if variant.subject is None else variant.subject,
        text=source.text,
        html=source.html,
        amp_html=source.amp_html,
        reply_to=content.reply_to if variant.reply_to is None else variant.reply_to,
    )
