"""Body text: line ends, transfer encodings, and prepared literals against the whole text."""

from __future__ import annotations

import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.message import body
from merpati.message.body import BodyPart
from merpati.message.dkim import relaxed_body, relaxed_lines, without_last_blank_lines
from merpati.message.template import Place, compile_template

TEXTS = st.text(st.sampled_from("ab.= \t\r\né") | st.characters(max_codepoint=255), max_size=200)
LITERALS = TEXTS.map(lambda text: text.replace("{", "").replace("}", ""))
VALUES = st.text(st.sampled_from("ab.= \t\r\né\0"), max_size=100)


def unstuffed(wire: str) -> str:
    return "\r\n".join(line.removeprefix(".") for line in wire.split("\r\n"))


def decoded(encoded: body.Encoded) -> str:
    text = unstuffed(encoded.wire)
    if encoded.encoding == body.SEVEN_BIT:
        return text
    return (
        quopri.decodestring(text.encode("ascii"))
        .decode("utf-8")
        .replace("\n", "\r\n")
        .replace("\r\r\n", "\r\n")
    )


@pytest.mark.parametrize("stray", ["\r", "\n", "\r\n"])
def test_any_line_end_becomes_crlf(stray: str) -> None:
    """S6: stray line ends are replaced."""
    assert body.encode(f"a{stray}b{stray}").wire == "a\r\nb\r\n"


def test_lines_that_begin_with_a_dot_are_stuffed() -> None:
    """S6: dots are stuffed, so no line can end the message."""
    assert body.encode(".\n..a\nb.\n.").wire == "..\r\n...a\r\nb.\r\n.."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param("plain", "7bit", id="ASCII"),
        pytest.param("a" * 998 + "\n", "7bit", id="longest line"),
        pytest.param("a" * 999 + "\n", "quoted-printable", id="too long a line"),
        pytest.param("é", "quoted-printable", id="not ASCII"),
        pytest.param("a\0", "quoted-printable", id="NUL"),
    ],
)
def test_transfer_encoding(text: str, encoding: str) -> None:
    encoded = body.encode(text)
    assert encoded.encoding == encoding
    assert decoded(encoded) == body.normalized(text)


@given(TEXTS)
def test_wire_is_safe_and_decodes_to_the_text(text: str) -> None:
    encoded = body.encode(text)
    lines = encoded.wire.split("\r\n")
    assert encoded.wire.isascii()
    assert not set("\r\n") & set("".join(lines))
    assert all(len(line) <= 999 for line in lines)
    assert "." not in lines, "a lone dot would end the message"
    assert decoded(encoded) == body.normalized(text)
    if encoded.encoding == body.QUOTED_PRINTABLE:
        assert max(map(len, unstuffed(encoded.wire).split("\r\n"))) <= 76


def reference_relaxed(text: str) -> str:
    """RFC 6376 3.4.4, word for word, line by line."""
    lines = []
    for line in text.split("\r\n"):
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        start = " " if line[:1] in (" ", "\t") and words else ""
        lines.append(start + " ".join(words))
    while lines and not lines[-1]:
        lines.pop()
    return "".join(line + "\r\n" for line in lines)


@given(st.text("ab. \t\n").map(body.normalized))
def test_relaxed_body_is_the_rfcs(text: str) -> None:
    assert relaxed_body(text) == reference_relaxed(text)


def test_relaxed_form_of_many_blanks_takes_no_time() -> None:
    assert relaxed_lines("a" + " \t" * 500_000 + "b") == "a b"


@given(st.lists(LITERALS, min_size=1, max_size=5), st.lists(VALUES, min_size=4, max_size=4))
def test_prepared_literals_give_what_the_whole_text_would(
    literals: list[str], values: list[str]
) -> None:
    source = "".join(
        literal + (f"{{{{v{index}}}}}" if index < len(literals) - 1 else "")
        for index, literal in enumerate(literals)
    )
    scope = {f"v{index}": value for index, value in enumerate(values)}
    part = BodyPart(compile_template(source, Place.TEXT, "text"))
    encoded = part.render(scope)
    whole = "".join(
        body.normalized(piece)
        for pair in zip(literals, [*values[: len(literals) - 1], ""], strict=False)
        for piece in pair
    )
    whole = body.normalized(whole)
    assert decoded(encoded) == whole
    assert encoded.encoding == body.encode(whole).encoding or not whole.isascii()
    lines = encoded.wire.split("\r\n")
    assert "." not in lines
    assert not set("\r\n") & set("".join(lines))
    if encoded.encoding == body.QUOTED_PRINTABLE:
        assert max(map(len, unstuffed(encoded.wire).split("\r\n"))) <= 76
    signed = without_last_blank_lines(encoded.relaxed.removesuffix(" ") + "\r\n")
    assert signed == reference_relaxed(unstuffed(encoded.wire))


@pytest.mark.parametrize(
    ("source", "value", "encoding"),
    [
        pytest.param("a" * 990 + "{{v}}", "b" * 8, "7bit", id="longest line"),
        pytest.param("a" * 990 + "{{v}}", "b" * 9, "quoted-printable", id="made too long"),
        pytest.param("{{v}} b", "é" + "a" * 70, "quoted-printable", id="value fills its line"),
        pytest.param("é{{v}}b", "a" * 76, "quoted-printable", id="plain value fills its line"),
        pytest.param("é" + "a" * 70 + "{{v}}", "b", "quoted-printable", id="literal fills it"),
    ],
)
def test_lines_stay_short_enough_with_values(source: str, value: str, encoding: str) -> None:
    encoded = BodyPart(compile_template(source, Place.TEXT, "text")).render({"v": value})
    assert encoded.encoding == encoding
    assert decoded(encoded) == source.replace("{{v}}", value)
    longest = 998 if encoding == "7bit" else 76
    assert max(map(len, encoded.wire.split("\r\n"))) <= longest


@given(st.lists(st.sampled_from(["Sari", "A1", "", " x", "x ", ".x", "a\tb", "é", "a  b"])))
def test_usual_values_between_usual_literals(values: list[str]) -> None:
    source = "Hi {{v}},\n.\n{{v}}\n {{v}} \n{{v}}."
    part = BodyPart(compile_template(source, Place.TEXT, "text"))
    for value in values:
        encoded = part.render({"v": value})
        assert decoded(encoded) == body.normalized(source.replace("{{v}}", value))
        signed = without_last_blank_lines(encoded.relaxed.removesuffix(" ") + "\r\n")
        assert signed == reference_relaxed(unstuffed(encoded.wire))
