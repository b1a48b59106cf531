"""The customers: programs that hand mail in, each a process of its own so that its CPU is known.

`http` makes transmission calls; `smtp` is what people write without a sending platform: smtplib and
jinja2 in a few processes, one connection each. Both say "ready" once their libraries are loaded
and, for http, the request bodies are built; the clock starts after that, with the first byte.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import smtplib
import subprocess
import sys
import time
from dataclasses import dataclass
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formatdate, make_msgid
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from typing import Any

from bench import message

KEY_VARIABLE = "BENCH_API_KEY"  # an API key has no place in a command line
MOST_A_CALL = 10_000  # recipients, SparkPost's advice for the most in one call
_ROOT = Path(__file__).resolve().parent.parent


class Refused(Exception):
    """The server answered a transmission call with something else than acceptance of all of it."""


class ApiClient:
    """One kept connection that makes transmission calls."""

    def __init__(self, address: str, key: str) -> None:
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=120)
        self._connection.connect()
        self._headers = {"Authorization": key, "Content-Type": "application/json"}

    def submit(self, body: bytes, recipients: int) -> None:
        """Make one call. Raises Refused unless every recipient was accepted."""
        self._connection.request("POST", "/api/v1/transmissions", body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Refused(f"{answer.status} {text[:500]!r}")
        accepted = json.loads(text)["results"]["total_accepted_recipients"]
        if accepted != recipients:
            raise Refused(f"{accepted} of {recipients} recipients accepted: {text[:500]!r}")

    def close(self) -> None:
        self._connection.close()


def newsletter_body(
    first: int,
    count: int,
    start_time: str | None = None,
    domains: int = message.RECIPIENT_DOMAINS,
) -> bytes:
    """Return the JSON of one call for `count` recipients, numbered from `first`."""
    numbers = range(first, first + count)
    return json.dumps(message.transmission(numbers, start_time, domains=domains)).encode()


@dataclass(frozen=True, slots=True)
class InjectorReport:
    """How handing in went. Moments are monotonic seconds of the machine.

    prepare_seconds: what the client did before its first byte (http: building JSON).
    """

    first_byte_at: float
    last_answer_at: float
    longest_call_seconds: float
    prepare_seconds: float
    cpu_seconds: float


class Injector:
    """A started injector process that waits for `go`."""

    def __init__(self, log: Path, *arguments: str, key: str = "") -> None:
        self._log = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.load", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=_ROOT,
            env={**os.environ, KEY_VARIABLE: key},
        )
        if self._line() != "ready":
            raise ChildProcessError(f"the injector did not start: {log.read_text()[-2000:]}")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def go(self) -> None:
        """Let it hand in its mail."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def report(self) -> InjectorReport:
        """Wait for its end. Raises ChildProcessError when it failed."""
        said = self._line()
        _, status, spent = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self._log.close()
        if self.process.returncode != 0:
            failure = Path(self._log.name).read_text()[-2000:]
            raise ChildProcessError(f"the injector ended with {self.process.returncode}: {failure}")
        return InjectorReport(**json.loads(said), cpu_seconds=spent.ru_utime + spent.ru_stime)

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()


def _wait_for_go() -> float:
    print("ready", flush=True)
    sys.stdin.readline()
    return time.monotonic()


def _say(prepare: float, first: float, longest: float) -> None:
    report: dict[str, Any] = {
        "first_byte_at": first,
        "last_answer_at": time.monotonic(),
        "longest_call_seconds": longest,
        "prepare_seconds": prepare,
    }
    print(json.dumps(report), flush=True)


def _by_http(
    address: str, recipients: int, per_call: int, start_time: str | None, domains: int
) -> None:
    begun = time.monotonic()
    sizes = [min(per_call, recipients - first) for first in range(0, recipients, per_call)]
    bodies = [
        newsletter_body(n * per_call, size, start_time, domains) for n, size in enumerate(sizes)
    ]
    prepare = time.monotonic() - begun
    client = ApiClient(address, os.environ[KEY_VARIABLE])
    first = called = _wait_for_go()
    longest = 0.0
    for body, size in zip(bodies, sizes, strict=True):
        client.submit(body, size)
        answered = time.monotonic()
        longest, called = max(longest, answered - called), answered
    _say(prepare, first, longest)
    client.close()


def _by_smtp(port: int, messages: int, clients: int) -> None:
    fork = multiprocessing.get_context("fork")
    go = fork.Event()
    ready = fork.Semaphore(0)
    shares = [(messages * n // clients, messages * (n + 1) // clients) for n in range(clients)]
    children = [
        fork.Process(target=_smtp_client, args=(port, share, ready, go)) for share in shares
    ]
    for child in children:
        child.start()
    for _ in children:
        ready.acquire()
    first = _wait_for_go()
    go.set()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        sys.exit(1)
    _say(0.0, first, 0.0)


class _Newsletter:
    """The mail as jinja2 and the email package make it."""

    def __init__(self) -> None:
        import jinja2  # noqa: PLC0415  # the other injector does without

        plain, escaping = jinja2.Environment(), jinja2.Environment(autoescape=True)
        self._subject = plain.from_string(message.SUBJECT)
        self._text = plain.from_string(message.TEXT)
        self._html = escaping.from_string(message.HTML)

    def for_recipient(self, number: int, domain: str | None = None) -> MIMEMultipart:
        data = message.personal_data(number)
        mail = MIMEMultipart("alternative")
        mail["From"] = f"{message.SENDER['name']} <{message.SENDER['email']}>"
        mail["To"] = message.address(number, domain)
        mail["Subject"] = self._subject.render(data)
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=message.SENDING_DOMAIN)
        mail["List-Unsubscribe"] = f"<https://www.example.com/stop/{data['code']}>"
        mail.attach(MIMEText(self._text.render(data), "plain", "us-ascii"))
        mail.attach(MIMEText(self._html.render(data), "html", "us-ascii"))
        return mail


def _smtp_client(port: int, share: tuple[int, int], ready: Semaphore, go: Event) -> None:
    newsletter = _Newsletter()
    ready.release()
    go.wait()
    with _connection(port) as smtp:
        for number in range(*share):
            _send(smtp, newsletter.for_recipient(number))


def send_one_by_smtp(port: int, domain: str) -> None:
    """Send one newsletter to a recipient in `domain`."""
    with _connection(port) as smtp:
        _send(smtp, _Newsletter().for_recipient(0, domain))


def _connection(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", port, "client.example.com", timeout=120)


def _send(smtp: smtplib.SMTP, mail: MIMEMultipart) -> None:
    smtp.sendmail(f"bounce@{message.SENDING_DOMAIN}", [mail["To"]], mail.as_string())


def main() -> None:
    """Run one injector."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    by_http = kinds.add_parser("http")
    by_http.add_argument("address", help="HOST:PORT")
    by_http.add_argument("recipients", type=int)
    by_http.add_argument("--per-call", type=int, default=MOST_A_CALL)
    by_http.add_argument("--start-time", help="ISO 8601; not delivered earlier")
    by_http.add_argument("--domains", type=int, default=message.RECIPIENT_DOMAINS)
    by_smtp = kinds.add_parser("smtp")
    by_smtp.add_argument("port", type=int)
    by_smtp.add_argument("messages", type=int)
    by_smtp.add_argument("--clients", type=int, default=4)
    wanted = parser.parse_args()
    if wanted.kind == "http":
        _by_http(
            wanted.address, wanted.recipients, wanted.per_call, wanted.start_time, wanted.domains
        )
    else:
        _by_smtp(wanted.port, wanted.messages, wanted.clients)


if __name__ == "__main__":
    main()
