"""The SMTP session machine: what it offers, what it refuses, and that nothing is smuggled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merpati.smtp.session import COMMANDS, ERRORS, TakeMessage
from tests.smtp.conftest import IDENTITY, Client, b64

INJECTED = (
    b"MAIL FROM:<evil@y.example>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nsmuggled\r\n.\r\n"
)
RIGHT, WRONG = b64("\0SMTP_Injection\0right"), b64("\0SMTP_Injection\0wrong")


def test_what_is_offered_depends_on_tls() -> None:
    plain = {line[4:] for line in Client(is_secure=False).say("EHLO a")}
    secure = {line[4:] for line in Client().say("EHLO a")}
    always = {"mta.example", "SIZE 1000000", "PIPELINING", "8BITMIME", "SMTPUTF8"}
    always |= {"ENHANCEDSTATUSCODES", "CHUNKING"}
    assert plain == always | {"STARTTLS"}
    assert secure == always | {"AUTH PLAIN LOGIN"}


def test_a_message_is_taken_whole_and_unstuffed() -> None:
    client = Client().begin("a@example.net", "b@example.net")
    assert client.codes("DATA") == ["354"]
    assert client.send(b"Subject: x\r\n\r\n..dot\r\n...\r\n.\r\n") == ["250 2.0.0 OK 1"]
    (envelope,) = client.taken
    assert envelope.data == b"Subject: x\r\n\r\n.dot\r\n..\r\n"
    assert envelope.recipients == ("a@example.net", "b@example.net")
    assert envelope.protocol == "ESMTPSA"
    assert envelope.identity is not None


def test_an_empty_message_ends_at_a_lone_dot() -> None:
    client = Client().begin()
    client.say("DATA")
    client.say(".")
    assert [envelope.data for envelope in client.taken] == [b""]


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\n.\r", b"\r\n.\r", b"\r\n\0.\r\n"],
    ids=repr,
)
@pytest.mark.parametrize("is_whole", [True, False])
def test_nothing_but_crlf_dot_crlf_ends_a_message(end: bytes, is_whole: bool) -> None:
    """S1, S3: one refusal, and no injected command runs."""
    client = Client().begin()
    client.say("DATA")
    sent = b"Subject: x\r\n\r\nbody" + end + INJECTED
    pieces = [sent] if is_whole else [bytes([byte]) for byte in sent]
    replies = [reply for piece in pieces for reply in client.send(piece)]
    assert [reply[:3] for reply in replies] == ["550"]
    assert client.taken == []
    assert client.codes("NOOP") == ["250"]


def test_commands_behind_data_without_its_354_are_neither_mail_nor_run() -> None:
    """S5."""
    client = Client().begin()
    replies = client.send(b"DATA\r\n" + INJECTED)
    assert [reply[:3] for reply in replies] == ["554"]
    assert client.session.is_closing
    assert client.taken == []


def test_commands_pipelined_behind_the_final_dot_wait_for_its_answer() -> None:
    client = Client().begin()
    client.say("DATA")
    client.holds_answers = True
    assert client.send(b"x\r\n.\r\nMAIL FROM:<b@y.example>\r\nNOOP\r\n") == []
    assert isinstance(client.session.ask, TakeMessage)
    client.answer()
    assert [reply[:3] for reply in client.replies()] == ["250", "250", "250"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"x" * 998 + b"\r\n", "250", id="998"),
        pytest.param(b"x" * 999 + b"\r\n", "550", id="999"),
        pytest.param(b"a\0b\r\n", "550", id="NUL"),
        pytest.param(b"\xff\xfe\r\n", "250", id="8 bit"),
        pytest.param(b"y\r\n" * 400_000, "552", id="too large"),
    ],
)
def test_what_a_message_may_hold(data: bytes, code: str) -> None:
    """S8."""
    client = Client().begin()
    client.say("DATA")
    assert [reply[:3] for reply in client.send(data + b".\r\n")] == [code]
    assert client.codes("NOOP") == ["250"]


def test_an_endless_line_is_refused_once_and_takes_no_memory() -> None:
    """S8: 10 MB without a line end."""
    client = Client()
    for _ in range(160):
        assert client.send(b"x" * 65_536) == []
        assert client.session.held_bytes == 0
    assert client.send(b"\r\nNOOP\r\n") == ["500 5.5.6 Line too long", "250 2.0.0 Ok"]


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\0OP\r\n", b"\xff\xfe\r\n", b"NOOP\rX\r\n"])
def test_malformed_commands_get_a_syntax_error(line: bytes) -> None:
    client = Client()
    assert [reply[:3] for reply in client.send(line)] == ["500"]
    assert client.codes("NOOP") == ["250"]


def test_what_came_before_tls_is_dropped() -> None:
    """CVE-2011-0411: neither a pipelined command nor the name said before survives."""
    client = Client(is_secure=False)
    client.say("EHLO early.example")
    assert client.send(b"STARTTLS\r\nEHLO injected.example\r\n") == ["220 2.0.0 Ready to start TLS"]
    assert client.codes(f"AUTH PLAIN {RIGHT}") == ["503"]
    client.log_in()
    assert client.codes("STARTTLS") == ["503"]


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {RIGHT}"],
        ["AUTH PLAIN", RIGHT],
        ["AUTH LOGIN", b64("SMTP_Injection"), b64("right")],
        [f"auth login {b64('SMTP_Injection')}", b64("right")],
    ],
)
def test_each_way_of_authentication(lines: list[str]) -> None:
    client = Client()
    client.say("EHLO a")
    assert [client.codes(line) for line in lines][-1] == ["235"]
    assert client.passwords == ["right"]
    assert client.codes(lines[0]) == ["503"]  # S11: AUTH twice


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH PLAIN !!!"], "501"),
        (["AUTH PLAIN", "*"], "501"),
        (["AUTH LOGIN", b64("u"), "***"], "501"),
        ([f"AUTH PLAIN {b64('other' + chr(0) + 'u' + chr(0) + 'right')}"], "501"),
        (["AUTH CRAM-MD5"], "504"),
        ([f"AUTH PLAIN {WRONG}"], "535"),
    ],
)
def test_bad_authentication_is_refused_and_mail_with_it(lines: list[str], code: str) -> None:
    client = Client()
    client.say("EHLO a")
    assert [client.codes(line) for line in lines][-1] == [code]
    assert client.codes("MAIL FROM:<a@b.example>") == ["530"]


def test_no_password_travels_without_tls() -> None:
    """S11."""
    client = Client(is_secure=False)
    client.say("EHLO a")
    assert client.codes(f"AUTH PLAIN {RIGHT}") == ["538"]
    assert client.codes("MAIL FROM:<a@b.example>") == ["530"]
    assert client.passwords == []


def test_wrong_passwords_end_the_connection() -> None:
    """S11."""
    client = Client()
    client.say("EHLO a")
    codes = [client.codes(f"AUTH PLAIN {WRONG}") for _ in range(3)]
    assert codes == [["535"], ["535"], ["535", "421"]]
    assert client.codes("NOOP") == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME SMTPUTF8", "250"),
        ("MAIL FROM:<>", "250"),
        ("mail from: <a@b.example>", "250"),
        ("MAIL FROM:<@relay.example:a@b.example>", "250"),
        ("MAIL FROM:<a@b.example> SIZE=1000001", "552"),
        ("MAIL FROM:<a@b.example> SIZE=x", "501"),
        ("MAIL FROM:<a@b.example> SIZE=1 SIZE=2", "501"),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", "501"),
        ("MAIL FROM:<a@b.example> RET=HDRS", "555"),
        ("MAIL FROM:a@b.example", "501"),
        ("MAIL FROM:<a@b.example", "501"),
        ("RCPT TO:<a@b.example>", "503"),
        ("DATA", "503"),
        ("VRFY root", "252"),
        ("EXPN all", "500"),
    ],
)
def test_commands_in_front_of_a_transaction(line: str, code: str) -> None:
    assert Client().log_in().codes(line) == [code]


@pytest.mark.parametrize(
    "line", ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2", "XCLIENT ADDR=::1", "GET / HTTP/1.1"]
)
def test_forged_proxies_and_web_pages_are_hung_up_on(line: str) -> None:
    """R5."""
    client = Client()
    assert client.codes(line, "EHLO a") == ["554"]
    assert client.session.is_closing


def test_without_recipients_there_is_no_data() -> None:
    client = Client().log_in()
    lines = ["MAIL FROM:<a@b.example>", "RCPT TO:<nobody>", "DATA", "RSET", "MAIL FROM:<>"]
    assert client.codes(*lines) == ["250", "553", "554", "250", "250"]


def test_recipients_errors_and_chatter_have_limits() -> None:
    client = Client().begin(*[f"u{n}@example.net" for n in range(1_000)])
    assert client.say("RCPT TO:<one@example.net>") == ["452 4.5.3 Too many recipients"]
    assert Client().codes(*["XYZZY"] * (ERRORS + 5)) == ["500"] * ERRORS + ["421"]
    assert Client().codes(*["NOOP"] * (COMMANDS + 5)) == ["250"] * COMMANDS + ["421"]


# BDAT.


def test_chunks_make_one_message() -> None:
    """S7."""
    client = Client().begin()
    replies = client.send(b"BDAT 6\r\nA: b\r\nBDAT 10 LAST\r\n\r\n.\r\n..x\r\n")
    assert [reply[:3] for reply in replies] == ["250", "250"]
    assert [envelope.data for envelope in client.taken] == [b"A: b\r\n\r\n.\r\n..x\r\n"]


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        pytest.param(b"BDAT 0 LAST\r\n", "250", id="zero"),
        pytest.param(b"BDAT 3 LAST\r\na\r\nBDAT 6 LAST\r\nNOOP\r\n", "250 503", id="LAST twice"),
        pytest.param(b"BDAT 3\r\na\r\nDATA\r\n", "250 503", id="DATA behind BDAT"),
        pytest.param(b"BDAT 3 LAST\r\na\nb", "550", id="bare LF"),
        pytest.param(b"BDAT 1000001 LAST\r\n" + b"x" * 1_000_001, "552", id="too large"),
        pytest.param(b"BDAT 3\r\na\r\nRSET\r\nBDAT 3 LAST\r\na\r\n", "250 250 503", id="RSET"),
    ],
)
def test_chunks_are_counted_exactly(sent: bytes, codes: str) -> None:
    client = Client().begin()
    assert [reply[:3] for reply in client.send(sent)] == codes.split()
    assert client.codes("NOOP") == ["250"]


@pytest.mark.parametrize("line", ["BDAT x", "BDAT -1", "BDAT", "BDAT 99999999999", "BDAT 1 FIRST"])
def test_a_size_nobody_can_count_to_hangs_up(line: str) -> None:
    client = Client().begin()
    assert client.codes(line, "NOOP")[0][0] == "5"
    assert client.session.is_closing


def test_chunks_in_front_of_a_transaction_are_swallowed() -> None:
    assert Client().log_in().codes("BDAT 6", "QUIT", "NOOP") == ["503", "250"]


# F1 (short).

_WORDS = [b"EHLO a\r\n", b"AUTH PLAIN ", b"AUTH LOGIN\r\n", b"MAIL FROM:<a@b.c>\r\n", b"DATA\r\n"]
_WORDS += [b"RCPT TO:<a@b.c>\r\n", b"BDAT ", b"5 LAST\r\n", b"\r\n.\r\n", b"\n", b"\r", b"\0", b"."]
_WORDS += [b"RSET\r\n", b"STARTTLS\r\n", b"QUIT\r\n", b"\xc3\xa9", b" SIZE=", b"<", b">", b"9"]


@settings(max_examples=150, deadline=1_000)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(_WORDS)), max_size=40),
    st.booleans(),
    st.booleans(),
)
def test_no_bytes_break_the_session(pieces: list[bytes], needs_auth: bool, is_secure: bool) -> None:
    """F1: no exception, only well-formed replies, bounded memory, and no mail without AUTH."""
    client = Client(needs_auth=needs_auth, is_secure=is_secure)
    for piece in pieces:
        for reply in client.send(piece):
            assert reply[:3].isdigit(), reply
            assert reply[3:4] in {" ", "-"}, reply
    assert client.session.held_bytes <= sum(map(len, pieces)) + 2
    for envelope in client.taken:
        assert envelope.identity is not None or not needs_auth
        assert envelope.data.count(b"\n") == envelope.data.count(b"\r\n")


@settings(max_examples=60, deadline=1_000)
@given(st.data())
def test_how_bytes_are_cut_changes_nothing(data: st.DataObject) -> None:
    sent = b"EHLO a\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nBDAT 4\r\nx\r\n.BDAT 2 LAST\r\n\r\n"
    sent += b"NOOP\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nRSET\r\nQUIT\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    whole, cut = Client(needs_auth=False), Client(needs_auth=False)
    expected = whole.send(sent)
    assert [reply for piece in pieces for reply in cut.send(piece)] == expected
    assert cut.taken == whole.taken


def test_a_trusted_client_needs_no_password_and_no_tls() -> None:
    client = Client(is_secure=False, trusted=IDENTITY)
    assert client.codes("EHLO printer", "MAIL FROM:<x@y.example>") == ["250"] * 9
    client.say("RCPT TO:<a@example.net>", "DATA")
    client.say("Subject: x", "", ".")
    (envelope,) = client.taken
    assert envelope.identity is IDENTITY
    assert envelope.protocol == "ESMTP"  # no A: nobody authenticated


def test_a_trusted_client_may_still_say_who_it_is() -> None:
    client = Client(trusted=IDENTITY).begin()
    client.say("DATA")
    client.say("Subject: x", "", ".")
    (envelope,) = client.taken
    assert envelope.protocol == "ESMTPSA"


def test_trust_survives_starttls() -> None:
    client = Client(is_secure=False, trusted=IDENTITY)
    client.say("EHLO printer", "STARTTLS")
    client.say("EHLO printer")
    assert client.codes("MAIL FROM:<x@y.example>") == ["250"]
