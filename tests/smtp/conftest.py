"""A scripted client for the session machine: lines in, replies out, no network."""

from __future__ import annotations

import base64
from collections.abc import Callable

from merpati.accounts.keys import KeyIdentity
from merpati.smtp.session import Authenticate, Door, Envelope, Session, StartTls, TakeMessage

IDENTITY = KeyIdentity(1, "abcd", 7, frozenset({"smtp/inject"}), is_suspended=False)
KEY = "right"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Client:
    """Speaks to a session and answers what it asks: the key "right" is right, mail is taken."""

    def __init__(
        self,
        *,
        needs_auth: bool = True,
        is_secure: bool = True,
        recipient: Callable[[str], str | None] | None = None,
        trusted: KeyIdentity | None = None,
    ) -> None:
        door = Door("mta.example", needs_auth, True, recipient or self._recipient, 1_000_000)
        self.session = Session(door, is_secure)
        self.taken: list[Envelope] = []
        self.passwords: list[str] = []
        self.holds_answers = False
        self.session.greet(trusted)
        assert self.replies() == ["220 mta.example ESMTP"]

    @staticmethod
    def _recipient(address: str) -> str | None:
        return None if "@" in address else "553 5.1.3 no address"

    def replies(self) -> list[str]:
        text = bytes(self.session.out).decode()
        self.session.out.clear()
        assert not text or text.endswith("\r\n")
        return text.split("\r\n")[:-1]

    def send(self, data: bytes) -> list[str]:
        """Send bytes as they are; return the replies."""
        self.session.receive(data)
        while self.session.ask is not None and not self.holds_answers:
            self.answer()
        return self.replies()

    def answer(self) -> None:
        match self.session.ask:
            case Authenticate(_, password):
                self.passwords.append(password)
                identity = IDENTITY if password == KEY else None
                self.session.answer_authentication(identity, "535 5.7.8 Sorry.")
            case TakeMessage(envelope):
                self.taken.append(envelope)
                self.session.answer_message("250 2.0.0 OK 1")
            case StartTls():
                self.session.secured()

    def say(self, *lines: str) -> list[str]:
        """Send lines, each with its CRLF; return the replies."""
        return self.send("".join(line + "\r\n" for line in lines).encode())

    def codes(self, *lines: str) -> list[str]:
        return [reply[:3] for reply in self.say(*lines)]

    def log_in(self) -> Client:
        self.say("EHLO client.example")
        assert self.codes(f"AUTH PLAIN {b64(chr(0) + 'SMTP_Injection' + chr(0) + KEY)}") == ["235"]
        return self

    def begin(self, *recipients: str) -> Client:
        """Log in and say the envelope."""
        self.log_in()
        to = [f"RCPT TO:<{address}>" for address in recipients or ("a@example.net",)]
        assert set(self.codes("MAIL FROM:<x@y.example>", *to)) == {"250"}
        return self
