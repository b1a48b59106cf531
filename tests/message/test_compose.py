"""Whole messages, read back by Python's own parser and verified by dkimpy."""

from __future__ import annotations

import base64
import email
import email.policy
from email.message import EmailMessage
from typing import Any

import dkim
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from merpati.adapters.signing import BadPrivateKey, RsaSigner
from merpati.contracts.batch import Attachment, Content, Mailbox, Recipient
from merpati.message.compose import Composed, Stamp, compile_content, compose, sender_domain
from merpati.message.dkim import DkimSigner
from merpati.message.errors import GenerationFailed, TemplateSyntaxError

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
)
SIGNER = DkimSigner("example.com", "s1", RsaSigner(PEM).sign)

CONTENT = Content(
    account_id=1,
    transmission_id="11668787484950529",
    injected_at=1_790_000_000_123,
    pool_id=1,
    ip_pool="default",
    sending_domain="example.com",
    sender=Mailbox("news@example.com", "News"),
    subject="{{ name }}, news",
    text="Hello {{ name }},\n\nbye.\n",
    html="<p>Hello {{ name }}</p>\n",
)
RECIPIENT = Recipient("sari@example.net", "Sari", substitution_data={"name": "Sari"})
STAMP = Stamp(
    "17.11668787484950529.0a1b2c3d",
    "mail.example",
    1_790_000_000_123,
    "b00ff@bounce.example",
    "dG9rZW4",
)


def changed(**fields: Any) -> Content:
    return msgspec.structs.replace(CONTENT, **fields)


def composed(
    content: Content = CONTENT, recipient: Recipient = RECIPIENT, stamp: Stamp = STAMP
) -> Composed:
    return compose(compile_content(content), recipient, stamp, SIGNER)


def on_arrival(message: Composed) -> bytes:
    """Return the message as a receiver stores it, after checking what may be on the wire."""
    data = message.data
    assert data.endswith(b"\r\n")
    assert message.size_bytes == len(data)
    lines = data.split(b"\r\n")
    assert b"." not in lines
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 999
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


def parsed(message: Composed) -> EmailMessage:
    read = email.message_from_bytes(on_arrival(message), policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read


def is_verified(data: bytes) -> bool:
    return bool(dkim.verify(data, dnsfunc=lambda name, timeout=5: b"v=DKIM1; k=rsa; p=" + PUBLIC))


def content_of(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def structure(part: EmailMessage) -> Any:
    if part.is_multipart():
        return [part.get_content_type(), *map(structure, part.iter_parts())]
    return part.get_content_type()


def test_message_is_rendered_signed_and_addressed() -> None:
    message = composed()
    read = parsed(message)
    assert (message.msg_from, message.rcpt_to) == ("b00ff@bounce.example", "sari@example.net")
    assert message.subject == read["Subject"] == "Sari, news"
    assert message.friendly_from == "news@example.com"
    assert read["From"] == "News <news@example.com>"
    assert read["To"].addresses[0].display_name == "Sari"
    assert read["Message-ID"] == "<17.11668787484950529.0a1b2c3d@mail.example>"
    assert read["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert read["X-MSFBL"] == "dG9rZW4"
    assert structure(read) == ["multipart/alternative", "text/plain", "text/html"]
    text, html = read.iter_parts()
    assert content_of(text) == "Hello Sari,\n\nbye.\n"
    assert content_of(html) == "<p>Hello Sari</p>\n"
    assert is_verified(on_arrival(message))


def test_every_attempt_makes_the_same_bytes() -> None:
    """D4: a message sent twice is the same message."""
    assert composed().data == composed().data


def test_boundaries_of_two_messages_differ() -> None:
    other = Stamp("18.x", "mail.example", STAMP.injected_at, "b01@bounce.example", "x")
    first, second = parsed(composed()), parsed(composed(stamp=other))
    assert first.get_boundary() != second.get_boundary()


def test_message_without_key_is_unsigned() -> None:
    message = compose(compile_content(CONTENT), RECIPIENT, STAMP, None)
    assert b"DKIM-Signature" not in message.data


def test_changed_message_fails_verification() -> None:
    data = on_arrival(composed())
    assert is_verified(data)
    assert not is_verified(data.replace(b"bye", b"bye now"))
    assert not is_verified(data.replace(b"Subject: Sari", b"Subject: Budi"))


@pytest.mark.parametrize(
    "name", ["From", "Subject", "To", "Reply-To", "Cc", "Date", "Content-Type"]
)
def test_second_header_breaks_the_signature(name: str) -> None:
    data = on_arrival(composed())
    assert not is_verified(f"{name}: x@example.org\r\n".encode() + data)


SIGNED_TEXT = st.text(
    st.sampled_from("a. \t\r\né=-") | st.characters(max_codepoint=0x2FF), max_size=400
)


@settings(deadline=None)
@given(SIGNED_TEXT, SIGNED_TEXT, SIGNED_TEXT)
def test_any_message_verifies_and_arrives(text: str, html: str, value: str) -> None:
    content = changed(
        text=text.replace("{", "") + "{{ v }}" + text[::-1].replace("{", ""),
        html=html.replace("{", "") + "{{{ v }}}\n.{{{v}}}",
        subject="{{v}}",
        headers={"X-V": "a {{v}}", "List-Unsubscribe": "<https://x.example/{{v}}>"},
    )
    message = composed(content, Recipient("a@b.example", value, substitution_data={"v": value}))
    assert is_verified(on_arrival(message))
    assert structure(parsed(message)) == ["multipart/alternative", "text/plain", "text/html"]


@settings(deadline=None)
@given(SIGNED_TEXT)
@pytest.mark.parametrize("wrap", ["{}", "{{{{ v }}}}", "{{{{if true}}}}{{{{ v }}}}{{{{end}}}}"])
def test_any_single_part_verifies(wrap: str, value: str) -> None:
    text = wrap.format(value.replace("{", ""))
    content = changed(text=text, html=None, subject="s")
    message = composed(content, Recipient("a@b.example", substitution_data={"v": value}))
    assert is_verified(on_arrival(message))
    assert structure(parsed(message)) == "text/plain"


@pytest.mark.parametrize(
    "text", ["", "\n", " ", " \n\n", "a\n\n\n", "a ", ".", ".\n.", "\t\n", "é "]
)
def test_odd_body_verifies(text: str) -> None:
    assert is_verified(on_arrival(composed(changed(text=text, html=None))))
    with_field = changed(text=text + "{{name}}" + text, html=None)
    assert is_verified(on_arrival(composed(with_field)))


# -- structure --

FILE = Attachment("Jürgen.txt", 'text/plain; charset="utf-8"', b"\x00\xffhello" * 100)
IMAGE = Attachment("logo", "image/png", b"\x89PNG")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"html": None}, "text/plain"),
        ({"text": None}, "text/html"),
        (
            {"amp_html": "<html amp4email>"},
            ["multipart/alternative", "text/plain", "text/x-amp-html", "text/html"],
        ),
        (
            {"attachments": [FILE]},
            [
                "multipart/mixed",
                ["multipart/alternative", "text/plain", "text/html"],
                "text/plain",
            ],
        ),
        ({"html": None, "attachments": [FILE]}, ["multipart/mixed", "text/plain", "text/plain"]),
        (
            {"inline_images": [IMAGE]},
            [
                "multipart/alternative",
                "text/plain",
                ["multipart/related", "text/html", "image/png"],
            ],
        ),
        (
            {"inline_images": [IMAGE], "attachments": [FILE, FILE]},
            [
                "multipart/mixed",
                [
                    "multipart/alternative",
                    "text/plain",
                    ["multipart/related", "text/html", "image/png"],
                ],
                "text/plain",
                "text/plain",
            ],
        ),
        (
            {"html": None, "inline_images": [IMAGE]},
            ["multipart/mixed", "text/plain", "image/png"],
        ),
        ({"html": None, "text": None}, "text/plain"),
    ],
)
def test_structure(fields: dict[str, Any], expected: Any) -> None:
    message = composed(changed(**fields))
    assert structure(parsed(message)) == expected
    assert is_verified(on_arrival(message))


def test_attachment_arrives_whole() -> None:
    read = parsed(composed(changed(attachments=[FILE], inline_images=[IMAGE])))
    (file,) = read.iter_attachments()
    assert file.get_filename() == "Jürgen.txt"
    assert file.get_payload(decode=True) == FILE.data
    assert file["Content-Type"].params["charset"] == "utf-8"
    image = next(part for part in read.walk() if part.get_content_type() == "image/png")
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"
    assert image.get_payload(decode=True) == IMAGE.data


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("a\r\nBcc: x@y", "text/plain\r\nBcc: x@y", "application/octet-stream"),
        ("", "text/plain;\r\n name=a", "text/plain"),
        ('q"\\.txt', "text", "application/octet-stream"),
        ("x" * 255, "", "application/octet-stream"),
        ("a", "text/plain;" + "x" * 2000, "application/octet-stream"),
        ("a\tb  c", "text/plain;  charset=utf-8 ", "text/plain"),
    ],
)
def test_file_header_cannot_be_broken(name: str, kind: str, expected: str) -> None:
    """H1: names and types of files add no header."""
    file = Attachment(name, kind, b"x" * 200)
    message = composed(changed(attachments=[file], inline_images=[file]))
    read = parsed(message)
    (part,) = read.iter_attachments()
    assert part.get_content_type() == expected
    assert all("Bcc" not in inner for inner in read.walk())
    assert part.get_payload(decode=True) == file.data
    assert is_verified(on_arrival(message))


def test_all_messages_share_a_files_bytes() -> None:
    compiled = compile_content(changed(attachments=[Attachment("a", "a/b", bytes(1_000_000))]))
    first = compose(compiled, RECIPIENT, STAMP, None)
    second = compose(compiled, RECIPIENT, STAMP, None)
    shared = max(first.chunks, key=len)
    assert len(shared) > 1_000_000
    assert any(chunk is shared for chunk in second.chunks)
    assert first.size_bytes == len(first.data)


# -- data and headers --


def test_recipient_data_win_over_the_transmissions() -> None:
    content = changed(
        text="{{a}} {{b}} {{c}} {{d}}",
        html=None,
        metadata={"a": "tm", "b": "tm", "c": "tm", "d": "tm"},
        substitution_data={"b": "ts", "c": "ts", "d": "ts"},
    )
    recipient = Recipient(
        "a@b.example", metadata={"c": "rm", "d": "rm"}, substitution_data={"d": "rs"}
    )
    assert content_of(parsed(composed(content, recipient))) == "tm ts rm rs\n"


def test_provided_variables_win_over_data() -> None:
    content = changed(
        text="{{address.name}} {{address.email}} {{address.street}} {{email}} {{email_id}}"
        " {{env_from}} {{return_path}}",
        html=None,
        substitution_data={"email": "x", "return_path": "x", "address": {"street": "S", "name": 1}},
    )
    assert content_of(parsed(composed(content))) == (
        "Sari sari@example.net S sari@example.net sari@example.net b00ff@bounce.example"
        " b00ff@bounce.example\n"
    )
    assert "address" in content.substitution_data, "the transmission's own data are not changed"
    assert content.substitution_data["address"]["name"] == 1


def test_loops_of_one_part_leave_nothing_for_the_next() -> None:
    loop = "{{each k}}{{loop_var}}{{end}}[{{loop_var}}]"
    content = changed(text=loop, html=loop, substitution_data={"k": [1, 2], "loop_var": "own"})
    texts = [content_of(part).strip() for part in parsed(composed(content)).iter_parts()]
    assert texts == ["12[own]", "12[own]"]


def test_substitutions_off_leave_bodies_but_not_headers() -> None:
    read = parsed(composed(changed(perform_substitutions=False, text="{{ name ", html=None)))
    assert content_of(read) == "{{ name \n"
    assert read["Subject"] == "Sari, news"


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (Recipient("a@x.example"), "a@x.example"),
        (Recipient("a@x.example", "A B"), '"A B" <a@x.example>'),
        (Recipient("a@x.example", None, "to@y.example"), "to@y.example"),
        (Recipient("a@x.example", "N", "to@y.example"), '"N" <to@y.example>'),
        (
            Recipient("a@x.example", "N", '"Last, First" <b@x.example>, c@y.example'),
            '"Last, First" <b@x.example>, c@y.example',
        ),
        (Recipient("a@x.example", "N", " \r\n"), '"N" <a@x.example>'),
        (Recipient("a@x.example", "N\r\nBcc: b@y.example"), '"NBcc: b@y.example" <a@x.example>'),
        (Recipient("a@bücher.example"), "a@xn--bcher-kva.example"),
    ],
)
def test_to_header(recipient: Recipient, expected: str) -> None:
    message = composed(recipient=recipient)
    line = next(line for line in message.data.split(b"\r\n") if line.startswith(b"To: "))
    assert line.decode() == f"To: {expected}"


def test_callers_headers() -> None:
    """H3: what the caller may set arrives; what is ours or must not leave does not."""
    content = changed(
        headers={
            "CC": "Zoë <z@x.example>, b@y.example",
            "X-Dynamic": "hi {{ name }}",
            "X-Empty": "{{ nothing }}",
            "x-twice": "first",
            "X-Twice": "second",
            "Bcc": "hidden@x.example",
            "Resent-Bcc": "hidden@x.example",
            "DKIM-Signature": "v=1; hidden",
            "Return-Path": "<hidden@x.example>",
            "received": "hidden",
            "Content-Type": "hidden/x",
            "Content-Transfer-Encoding": "hidden",
            "MIME-Version": "hidden",
            "From": "hidden@x.example",
            "Date": "hidden",
            "Message-ID": "<hidden@x>",
            "X-MSFBL": "hidden",
        },
        reply_to="Help <help@example.com>, {{ name }}@example.com",
    )
    message = composed(content)
    read = parsed(message)
    assert b"hidden" not in message.data
    assert read["Cc"] == "Zoë <z@x.example>, b@y.example"
    assert read["X-Dynamic"] == "hi Sari"
    assert "X-Empty" not in read
    assert read.get_all("X-Twice") == ["second"]
    assert read["Reply-To"] == "Help <help@example.com>, Sari@example.com"
    assert len(read.get_all("DKIM-Signature", [])) == 1
    assert is_verified(on_arrival(message))


def test_reply_to_among_the_headers_is_kept_unless_the_field_is_given() -> None:
    headers = {"Reply-To": "a@x.example"}
    assert parsed(composed(changed(headers=headers)))["Reply-To"] == "a@x.example"
    read = parsed(composed(changed(headers=headers, reply_to="b@x.example")))
    assert read.get_all("Reply-To") == ["b@x.example"]


INJECTIONS = ["\r\nBcc: evil@x.example", "\nBcc: evil@x.example", "\rBcc: evil@x.example"]


@pytest.mark.parametrize("evil", [*INJECTIONS, "\u2028Bcc: evil@x.example", "\r\n\r\nbody"])
def test_no_value_adds_a_header(evil: str) -> None:
    """H1: CR and LF anywhere in content or data make no header and no second message."""
    content = changed(
        sender=Mailbox("news@example.com", f"News{evil}"),
        subject=f"s{evil}{{{{ v }}}}",
        reply_to=f"r@example.com{evil}{{{{ v }}}}",
        headers={"X-A": f"a{evil}{{{{ v }}}}", "Cc": f"c@example.com{evil}, {{{{ v }}}}"},
    )
    recipient = Recipient(
        "a@b.example", f"A{evil}", f"a@b.example{evil}", {"v": evil, "name": evil}
    )
    message = composed(content, recipient)
    read = parsed(message)
    names = {name.lower() for name in read}
    assert "bcc" not in names
    assert names <= {
        *["dkim-signature", "message-id", "date", "from", "to", "subject", "reply-to", "cc"],
        *["x-a", "x-msfbl", "mime-version", "content-type"],
    }
    assert is_verified(on_arrival(message))


@pytest.mark.parametrize("evil", [*INJECTIONS, ">\r\nRCPT TO:<evil@x.example", " BODY=8BITMIME"])
def test_no_address_adds_a_command(evil: str) -> None:
    """H1: an envelope address that could break an SMTP command fails the message."""
    with pytest.raises(GenerationFailed, match="the recipient is no address"):
        composed(recipient=Recipient(f"a@b.example{evil}"))
    stamp = Stamp("1", "mail.example", 0, f"a@b.example{evil}", "")
    with pytest.raises(GenerationFailed, match="the return path is no address"):
        composed(stamp=stamp)


@pytest.mark.parametrize("name", ["X-A\r\nBcc", "X A", "", "X:A"])
def test_bad_header_name_is_refused(name: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="no blanks and no colon"):
        compile_content(changed(headers={name: "x"}))


def test_templated_from_names_its_domain() -> None:
    content = changed(
        sender=Mailbox("{{ who }}@{{ domain }}", "{{ who }}"),
        sending_domain="",
        substitution_data={"domain": "Example.COM", "who": "budi"},
    )
    compiled = compile_content(content)
    assert compiled.sending_domain == ""
    assert sender_domain(compiled, RECIPIENT, STAMP) == "example.com"
    message = composed(content)
    assert message.friendly_from == "budi@Example.COM"
    assert parsed(message)["From"].addresses[0].display_name == "budi"


def test_from_may_render_to_a_name_and_an_address() -> None:
    content = changed(
        sender=Mailbox("{{ sender }}"), substitution_data={"sender": "Budi <budi@example.com>"}
    )
    address = parsed(composed(content))["From"].addresses[0]
    assert (address.display_name, address.addr_spec) == ("Budi", "budi@example.com")


@pytest.mark.parametrize("value", ["", "nobody", "a@x, b@y", "a@x.example\r\nBcc: b@y.example"])
def test_from_that_is_not_one_address_fails(value: str) -> None:
    content = changed(sender=Mailbox("{{ sender }}"), substitution_data={"sender": value})
    with pytest.raises(GenerationFailed, match="From is not one address"):
        composed(content)
    with pytest.raises(GenerationFailed, match="From is not one address"):
        sender_domain(compile_content(content), RECIPIENT, STAMP)


def test_data_the_template_cannot_use_fail_the_message() -> None:
    with pytest.raises(GenerationFailed) as caught:
        composed(changed(html="a\n{{ name + 1 }}"))
    reason = "Error while rendering part html: line 2: cannot calculate with a text"
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"html": "{{ a b }}"}, "html"),
        ({"text": "{{ a b }}"}, "text"),
        ({"amp_html": "{{ a b }}"}, "amp_html"),
        ({"subject": "{{ a b }}"}, "Header:Subject"),
        ({"headers": {"X-A": "{{ a b }}"}}, "Header:X-A"),
        ({"reply_to": "{{ a b }}"}, "Header:Reply-To"),
        ({"sender": Mailbox("{{ a b }}")}, "Header:From"),
    ],
)
def test_syntax_error_names_the_part(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_content(changed(**fields))
    assert caught.value.part == part


def test_signer_refuses_what_is_no_rsa_key() -> None:
    with pytest.raises(BadPrivateKey, match="not an unencrypted PEM"):
        RsaSigner(b"-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n")
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(BadPrivateKey, match="expected an RSA key"):
        RsaSigner(elliptic)
