"""Scripted mail providers: a text file says what goes wrong, line by line, and what must follow.

A file begins with what is expected, as TOML (see `Expected`); after a line of dashes come the
domain's mail hosts, each `MX preference` and then its script:

    MX 10                     a host; `MX 10 is dead`: nobody listens there;
                              `MX 10, connection 2`: its script from the second connection on
    S: 220 mx ESMTP           say a line
    C: MAIL FROM:<*>*         expect a line; * stands for anything
    raw: 250 \\x00\\r\\n          say just these bytes; `raw 3000 times: x`
    data                      read the message to its final dot; `data 100`: so many bytes of it
    wait 0.2                  seconds, before going on
    slowly                    from here on say every byte by itself
    starttls                  shake hands; `starttls cut`: break the connection instead
    drop                      close without a word

and, for what is nothing special: `greet [extension, …]` up to the answer to EHLO; `secure` the
same through STARTTLS; `take` a whole message; `refuse REPLY` to RCPT, with PIPELINING; `reject
REPLY` to the message. Whoever comes to the end of a script hears polite answers to RSET and QUIT;
anything else is a fault of the script.
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import ssl
import threading
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

MOST_SECONDS = 90.0  # that a script waits for its client


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says in its head; patterns: * stands for anything.

    case: the id of docs/testing.md. messages: how many are sent there. events: "type class" in
    order, repeats left out. reason: a
    pattern for the text of the last event that has one. sentence: one for why mail to this provider
    waits or goes slower. suppressed: whether the recipient is afterwards; tls: whether the last
    attempt went through it. hosts_below: the name under which
    Merpati recognises whose hosts they are. dns: "NAME TYPE VALUE" in place of the domain's own MX
    records; names are relative to it, @ is itself, {1} the first host's address, {us} one on whose
    port 25 is Merpati. submitted: comes in by SMTP, with 8-bit text.
    """

    events: list[str]
    messages: int = 1
    case: str = ""
    reason: str = ""
    sentence: str = ""
    suppressed: bool = False
    tls: bool = False
    hosts_below: str = ""
    dns: list[str] = []
    submitted: bool = False


@dataclass(frozen=True)
class Step:
    """One line of a script: `S`, `C`, `raw`, `data` …, and what stands behind it."""

    number: int
    verb: str
    text: str


@dataclass(frozen=True)
class MailHost:
    """scripts: of the first, second … connection; the last holds for all that follow."""

    preference: int
    is_dead: bool
    scripts: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class Dialogue:
    """One file. name: what goes wrong, in words joined by dashes."""

    name: str
    expected: Expected
    hosts: tuple[MailHost, ...]

    @property
    def recipients(self) -> list[str]:
        """Return whom the messages go to."""
        return [f"sari{n or ''}@{self.domain}" for n in range(self.expected.messages)]

    @property
    def domain(self) -> str:
        """Return the recipient domain that is played."""
        return f"{self.name}.example"

    def host_name(self, number: int) -> str:
        """Return the name of the host with this number, from 1."""
        return f"mx{number}.{self.name}{self.expected.hosts_below or '.example'}"


_HOST = re.compile(r"MX (\d+)(?:, connection (\d+)| (is dead))?")
_STEP = re.compile(r"([A-Za-z]+)(?::? (.*)|:)?")
_RAW_TIMES = re.compile(r"(?:(\d+) times: )?(.*)")
_ENVELOPE = ("C MAIL FROM:<*>*", "S 250 2.1.0 ok", "C RCPT TO:<*>*")
_SECURED = ("C STARTTLS", "S 220 2.0.0 go ahead", "starttls", "C EHLO *", "S 250-mx.example")
_TAKEN = (*_ENVELOPE, "S 250 2.1.5 ok", "C DATA", "S 354 go on", "data")
_MACROS = {
    "take": (*_TAKEN, "S 250 2.0.0 kept"),
    "refuse": (
        *(*_ENVELOPE, "S {}", "C DATA", "S 503 5.5.1 no recipient", "C RSET", "S 250 2.0.0 ok"),
    ),
    "reject": (*_TAKEN, "S {}"),
}
_DEEDS = {"S", "C", "raw", "data", "wait", "slowly", "starttls", "drop", "greet", "secure"}


def read_dialogue(file: Path) -> Dialogue:
    """Return what a file says. Raises ValueError naming file and line."""
    head, _, body = file.read_text().partition("\n---\n")
    dead: dict[int, bool] = {}
    scripts: dict[int, list[list[Step]]] = {}
    script: list[Step] = []
    for number, line in enumerate(body.splitlines(), head.count("\n") + 3):
        if found := _HOST.fullmatch(line):
            preference, connection = int(found[1]), int(found[2] or 1)
            of_host = scripts.setdefault(preference, [])
            if connection != len(of_host) + 1:
                raise ValueError(f"{file.name}:{number}: connection {connection} comes too early")
            dead[preference] = bool(found[3])
            script = []
            of_host.append(script)
        elif (step := _STEP.fullmatch(line)) and step[1] in _DEEDS | _MACROS.keys():
            script.extend(_written_out(Step(number, step[1], step[2] or "")))
        elif line.strip():
            raise ValueError(f"{file.name}:{number}: no step of a dialogue: {line!r}")
    hosts = (
        MailHost(preference, dead[preference], tuple(map(tuple, of_host)))
        for preference, of_host in scripts.items()
    )
    return Dialogue(file.stem, msgspec.convert(tomllib.loads(head), Expected), tuple(hosts))


def _written_out(step: Step) -> Iterator[Step]:
    """Write out what stands for several lines."""
    if step.verb in ("greet", "secure"):
        lines = ["S 220 mx.example ESMTP", "C EHLO *", "S 250-mx.example"]
        if step.verb == "secure":
            lines += ["S 250 STARTTLS", *_SECURED]
        *offers, last = (step.text or "PIPELINING").split(", ")
        lines += [f"S 250-{offer}" for offer in offers] + [f"S 250 {last}"]
    elif step.verb in _MACROS:
        lines = [line.replace("{}", step.text) for line in _MACROS[step.verb]]
    else:
        yield step
        return
    for line in lines:
        verb, _, text = line.partition(" ")
        yield Step(step.number, verb, text)


class Zone(Protocol):
    """Where names are made known: `merpati.sandbox.dns_server` is one."""

    def add(self, name: str, record_type: str, *values: str) -> None:
        """Add records, as in a zone file."""


class Theatre:
    """Plays dialogues: every host has an address of its own, all on one port.

    faults: what clients said that no script has, and what scripts were not played to their end.
    callers: by host name, the addresses that connected, in order. ours: where Merpati must listen
    for the dialogues that lead there, on the same port.
    """

    def __init__(
        self, dialogues: Sequence[Dialogue], network: str, tls: ssl.SSLContext, port: int = 0
    ) -> None:
        """network: the first two numbers of the addresses to play on, "127.77"; port: 0 any."""
        self.dialogues = dialogues
        self.faults: list[str] = []
        self.callers: dict[str, list[str]] = {}
        self.port = port
        self.ours = f"{network}.255.1"
        self._network = network
        self._tls = tls
        self._played: set[tuple[str, int]] = set()
        self._addresses: dict[str, str] = {}

    @contextlib.contextmanager
    def open(self, dns: Zone) -> Iterator[Theatre]:
        """Listen, and have the names lead here, until the block ends."""
        with contextlib.ExitStack() as stack:
            for scene, dialogue in enumerate(self.dialogues, 1):
                for number, host in enumerate(dialogue.hosts, 1):
                    name = dialogue.host_name(number)
                    address = f"{self._network}.{scene}.{number}"
                    self._addresses[name] = address
                    dns.add(name, "A", address)
                    if not host.is_dead:
                        stack.enter_context(self._serving(dialogue, host, name, address))
                _tell(dns, dialogue, self._addresses, self.ours)
            yield self

    def unplayed(self) -> set[str]:
        """Return what no client has come to the end of, as "file: MX 10, connection 1"."""
        return {
            f"{dialogue.name}: MX {host.preference}, connection {n}"
            for dialogue in self.dialogues
            for number, host in enumerate(dialogue.hosts, 1)
            for n in range(1, len(host.scripts) + 1)
            if not host.is_dead and (dialogue.host_name(number), n) not in self._played
        }

    @contextlib.contextmanager
    def _serving(
        self, dialogue: Dialogue, host: MailHost, name: str, address: str
    ) -> Iterator[None]:
        theatre = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                callers = theatre.callers.setdefault(name, [])
                callers.append(self.client_address[0])
                number = min(len(callers), len(host.scripts))
                actor = _Actor(self.request, theatre._tls)
                try:
                    actor.play(host.scripts[number - 1])
                    theatre._played.add((name, number))
                    actor.take_leave()
                except _OutOfScript as fault:
                    theatre.faults.append(f"{dialogue.name}:{fault}")
                except OSError:
                    pass  # the client left: what was not played shows in `unplayed`

        server = _Server((address, self.port), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _tell(dns: Zone, dialogue: Dialogue, addresses: dict[str, str], ours: str) -> None:
    own = [addresses[dialogue.host_name(n)] for n in range(1, len(dialogue.hosts) + 1)]
    for record in dialogue.expected.dns:
        name, kind, value = record.format("", *own, domain=dialogue.domain, us=ours).split(" ", 2)
        where = dialogue.domain if name == "@" else f"{name}.{dialogue.domain}"
        dns.add(where, kind, value)
    if not dialogue.expected.dns:
        for number, host in enumerate(dialogue.hosts, 1):
            dns.add(dialogue.domain, "MX", f"{host.preference} {dialogue.host_name(number)}.")


class _OutOfScript(Exception):
    """The client said what the script does not have."""


class _Actor:
    """One connection, as a script has it."""

    def __init__(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        self._socket = connection
        self._socket.settimeout(MOST_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = tls
        self._heard = connection.makefile("rb")
        self._is_slow = False
        self._has_left = False

    def play(self, script: Sequence[Step]) -> None:
        """Play to the end of the script. Raises OSError when the client leaves before."""
        for step in script:
            match step.verb:
                case "S":
                    self._say(step.text.encode() + b"\r\n")
                case "C":
                    line = self._line()
                    if not matches(step.text, line):
                        raise _OutOfScript(f"{step.number}: {step.text!r} expected, got {line!r}")
                case "raw":
                    self._say(_bytes(step))
                case "data":
                    self._data(int(step.text or 0))
                case "wait":
                    time.sleep(float(step.text))
                case "slowly":
                    self._is_slow = True
                case "starttls":
                    if step.text == "cut":
                        self._socket.recv(1)
                        self._drop()
                        return
                    self._socket = self._tls.wrap_socket(self._socket, server_side=True)
                    self._heard = self._socket.makefile("rb")
                case "drop":
                    self._drop()
                    return

    def take_leave(self) -> None:
        """Answer QUIT and RSET until the client is gone; there is nothing else left to say."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while not self._has_left and (line := self._line()) != "QUIT":
                if line != "RSET":
                    raise _OutOfScript(f" after the end of the script: {line!r}")
                self._say(b"250 2.0.0 ok\r\n")
            self._say(b"221 2.0.0 bye\r\n")

    def _drop(self) -> None:
        self._has_left = True
        self._heard.close()
        self._socket.close()

    def _say(self, data: bytes) -> None:
        for piece in (bytes([byte]) for byte in data) if self._is_slow else (data,):
            self._socket.sendall(piece)

    def _line(self) -> str:
        raw = self._heard.readline()
        if not raw:
            raise ConnectionResetError
        return raw.decode("utf-8", "replace").rstrip("\r\n")

    def _data(self, most: int) -> None:
        if most:
            self._heard.read(most)
            return
        while (line := self._heard.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError


def matches(pattern: str, text: str) -> bool:
    """Return whether all of a text is what a pattern says."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _bytes(step: Step) -> bytes:
    found = _RAW_TIMES.fullmatch(step.text)
    assert found is not None
    data = found[2].encode("latin-1").decode("unicode_escape").encode("latin-1")
    return data * int(found[1] or 1)
