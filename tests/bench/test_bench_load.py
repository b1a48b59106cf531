"""The benchmark's own parts: what they send is what they claim to send."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from bench import machine, message
from bench.load import ApiClient, Injector, Refused, newsletter_body, send_one_by_smtp
from bench.options import Options
from bench.rows import accept_one
from bench.sink import SMTP_SINK, CountingSink, ReadableSink

needs_sink = pytest.mark.skipif(SMTP_SINK is None, reason="smtp-sink (Debian: postfix) is missing")
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing")


class Api(ThreadingHTTPServer):
    """Accepts transmissions and remembers them; answers `refuse` instead when set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict] = []
        self.keys: set[str | None] = set()
        self.rejected = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.add(self.headers["Authorization"])
        accepted = len(body["recipients"]) - self.server.rejected
        answer = json.dumps({"results": {"total_accepted_recipients": accepted}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api():
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_http_injector_hands_in_every_recipient_once(api: Api, tmp_path: Path) -> None:
    injector = Injector(tmp_path / "log", "http", api.address, "25", "--per-call", "10", key="k")
    assert api.bodies == []  # nothing before go
    injector.go()
    report = injector.report()
    addresses = [r["address"]["email"] for body in api.bodies for r in body["recipients"]]
    assert addresses == [message.address(number) for number in range(25)]
    assert api.keys == {"k"}
    assert report.last_answer_at > report.first_byte_at
    assert report.cpu_seconds > 0


def test_rejected_recipients_are_an_error(api: Api) -> None:
    api.rejected = 1
    with pytest.raises(Refused, match="2 of 3 recipients accepted"):
        ApiClient(api.address, "k").submit(newsletter_body(0, 3), 3)


@needs_sink
def test_smtp_injector_sends_every_message_once(tmp_path: Path) -> None:
    with CountingSink(tmp_path / "sink") as sink:
        assert sink.count() == 0
        injector = Injector(tmp_path / "log", "smtp", str(sink.port), "10", "--clients", "3")
        injector.go()
        injector.report()
        assert sink.wait_for(10, 10) is not None
        assert sink.count() == 10


@needs_sink
def test_readable_sink_gives_back_session_and_message(tmp_path: Path) -> None:
    with ReadableSink(tmp_path / "sink") as sink:
        send_one_by_smtp(sink.port, "probe.example.net")
        arrived = sink.wait_for_one(10)
    assert arrived is not None
    session, data = arrived
    assert session["x-helo-args"] == "client.example.com"
    assert session["x-rcpt-args"] == "<user0@probe.example.net>"
    assert data.startswith(b"Content-Type: multipart/alternative")
    assert b"\r\nSubject: Ayu, your order A00000000 and this month's news\r\n" in data
    assert 10_000 < len(data) < 12_000


@needs_wrk
def test_wrk_calls_for_another_recipient_each_time(api: Api, tmp_path: Path) -> None:
    bodies = tmp_path / "bodies"
    bodies.write_text(accept_one._bodies("2030-01-01T00:00:00+00:00"))
    options = Options(rows=(), scratch=tmp_path, accept_seconds=1, connections=4)
    target = SimpleNamespace(address=api.address, key="secret")
    report, cpu = accept_one._run_wrk(options, tmp_path, target, bodies)
    assert report["requests"] > 0
    assert report["refused"] == report["broken"] == 0
    assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["max_ms"]
    assert cpu > 0
    addresses = [body["recipients"][0]["address"]["email"] for body in api.bodies]
    assert len(set(addresses)) == len(addresses) >= report["requests"]
    assert len({address.partition("@")[2] for address in addresses}) == message.RECIPIENT_DOMAINS
    assert api.bodies[0]["options"] == {"start_time": "2030-01-01T00:00:00+00:00"}
    assert api.keys == {"secret"}


def test_newsletter_needs_every_field_of_a_recipient() -> None:
    strict = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    data = message.personal_data(3)
    for source in (message.SUBJECT, message.TEXT, message.HTML):
        strict.from_string(source).render(data)
    assert message.TEXT.count("/go/") == message.HTML.count("/go/") == 5


def test_a_trees_cpu_and_memory_are_seen() -> None:
    import os  # noqa: PLC0415

    used = machine.usage(os.getpid())
    assert used.cpu_seconds > 0
    assert used.resident_bytes > 1_000_000
    assert machine.peak_resident_bytes(os.getpid()) >= used.resident_bytes * 0.5
