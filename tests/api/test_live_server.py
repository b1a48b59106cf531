"""The web process itself: real sockets, a real spool, unmodified clients, starts and ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sparkpost import SparkPost
from sparkpost.exceptions import SparkPostAPIException

from harness import programs
from harness.service import free_port, is_alive, wait_until
from merpati.adapters.codec import unpacker
from merpati.contracts.event import Injection, JournalKind
from merpati.runtime.tls import Certificate, ensure_certificate
from merpati.settings import TlsSettings
from merpati.spool import reading
from tests.api.conftest import transmission
from tests.support.prepared import signed_up
from tests.support.shell import Shell

LIMIT = 30.0  # seconds; generous, since tests share the machine
SPOOL_WORKER = Path(__file__).with_name("spool_worker.py")


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@dataclass
class Service:
    """A data folder with one account, its store-only worker, and web processes."""

    data: Path
    key: str
    account_id: int
    key_id: int = 0
    processes: list[programs.Started] = field(default_factory=list)

    def command(self, *words: str) -> Any:
        return Shell(self.data).json(*words)

    def start_worker(self) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, str(SPOOL_WORKER), str(self.data)], stdout=subprocess.PIPE, text=True
        )
        self.processes.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        return worker

    def start_web(self, certificate: Certificate | None = None) -> Web:
        port = free_port()
        words = ["--data", str(self.data), "--http", f"127.0.0.1:{port}", "--workers", "1"]
        if certificate:
            words += ["--cert", str(certificate.chain), "--key", str(certificate.key)]
        process = programs.start_main("merpati.runtime.web", *words)
        self.processes.append(process)
        web = Web(self, process, port)
        wait_until(web.is_up, "the web process to take connections")
        return web

    def injections(self) -> list[Injection]:
        """What the spool holds on disk."""
        with reading.snapshot(self.data / "spool", self.account_id % 16) as shard:
            rows = shard.journal_after(0, 1_000_000) if shard else []
        read = unpacker(Injection).decode
        return [read(row.payload) for row in rows if row.kind == JournalKind.INJECTION]

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@dataclass
class Web:
    service: Service
    process: programs.Started
    port: int

    def is_up(self) -> bool:
        assert self.process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        sent = {"Authorization": self.service.key, "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = isinstance(body, list)
        data = iter(body) if chunked else json.dumps(body) if body is not None else None
        connection.request(method, path, data, sent, encode_chunked=chunked)
        response = connection.getresponse()
        raw = response.read()
        connection.close()
        return response.status, json.loads(raw) if raw else None, response.headers

    def send(self, body: Any, **headers: str) -> tuple[int, Any]:
        return self.call("POST", "/api/v1/transmissions", body, **headers)[:2]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    customer = signed_up(tmp_path / "data", domain="acme.example")
    service = Service(tmp_path / "data", customer.api_key, int(customer.account_id))
    yield service
    service.stop()


def test_what_was_answered_200_is_on_disk_after_kill_9(service: Service) -> None:
    """D1, at the edge: the answer comes after the commit."""
    worker = service.start_worker()
    web = service.start_web()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: web.send(transmission({"address": f"u{n}@x.example"})), range(100))
        )
    worker.kill()
    web.process.kill()
    assert [status for status, _ in answers] == [200] * 100
    ids = {body["results"]["id"] for _, body in answers}
    assert len(ids) == 100
    assert {injection.transmission_id for injection in service.injections()} == ids


def test_without_a_worker_it_is_503_and_nothing_stays_broken(service: Service) -> None:
    """D5."""
    web = service.start_web()
    status, body, headers = web.call("POST", "/api/v1/transmissions", transmission())
    assert status == 503
    assert headers["Retry-After"]
    assert body["errors"][0]["code"] == "1500"
    assert web.call("GET", "/healthz")[0] == 200
    service.start_worker()
    assert web.send(transmission())[0] == 200
    assert len(service.injections()) == 1


def test_the_same_key_and_body_get_the_same_answer_from_any_process(service: Service) -> None:
    service.start_worker()
    one, other = service.start_web(), service.start_web()
    first = one.send(transmission(), Idempotency_Key="order-42")
    assert first[0] == 200
    assert other.send(transmission(), Idempotency_Key="order-42") == first
    status, body = other.send(transmission(subject="else"), Idempotency_Key="order-42")
    assert (status, body["errors"][0]["code"]) == (409, "1602")
    assert len(service.injections()) == 1


def test_a_revoked_key_is_refused_within_two_seconds(service: Service) -> None:
    service.start_worker()
    web = service.start_web()
    assert web.send(transmission())[0] == 200
    (key,) = service.command("key", "list", "--account", str(service.account_id))["keys"]
    service.command("key", "revoke", str(key["key_id"]))
    wait_until(lambda: web.send(transmission())[0] == 401, "the key to be refused", 2.0)


def test_a_body_in_chunks_is_read_whole(service: Service) -> None:
    service.start_worker()
    web = service.start_web()
    body = json.dumps(transmission()).encode()
    assert web.send([body[:50], body[50:]])[0] == 200
    assert len(service.injections()) == 1


def test_the_unmodified_python_client_sends_over_https(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.start_worker()
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate = ensure_certificate(folder, TlsSettings(), ["localhost"], datetime.now(UTC))
    web = service.start_web(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    client = SparkPost(service.key, base_uri=f"localhost:{web.port}")
    sent = client.transmissions.send(
        recipients=["Sari <sari@example.net>", {"address": {"email": "b@x.co", "name": "B"}}],
        cc=["c@x.co"],
        bcc=["d@x.co"],
        from_email="Acme <news@acme.example>",
        reply_to="a@x.co, b@x.co",
        subject="Hello {{name}}",
        text="Hi",
        html='<img src="cid:logo">',
        campaign="spring",
        metadata={"k": "v"},
        substitution_data={"name": "you"},
        track_opens=True,
        custom_headers={"X-Job": "1"},
        attachments=[{"name": "a.txt", "type": "text/plain", "data": "aGk="}],
        inline_images=[{"name": "logo", "type": "image/png", "data": "aGk="}],
    )
    assert (sent["total_accepted_recipients"], sent["total_rejected_recipients"]) == (4, 0)
    (injection,) = service.injections()
    assert injection.transmission_id == sent["id"]
    assert [r.rcpt_to for r in injection.recipients] == [
        *("sari@example.net", "b@x.co", "c@x.co", "d@x.co")
    ]
    with pytest.raises(SparkPostAPIException, match="7001") as refused:
        client.transmissions.send(
            recipients=["a@x.co"], from_email="x@other.example", subject="x", text="x"
        )
    assert refused.value.status == 400
    with pytest.raises(SparkPostAPIException) as refused:
        client.transmissions.get("1")
    assert refused.value.status == 404


def test_the_unmodified_python_client_keeps_the_suppression_list(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate = ensure_certificate(folder, TlsSettings(), ["localhost"], datetime.now(UTC))
    web = service.start_web(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    client = SparkPost(service.key, base_uri=f"localhost:{web.port}").suppression_list
    message = {"message": "Suppression List successfully updated"}
    one = {"email": "a+b@x.co", "transactional": False, "non_transactional": True}
    assert client.create({**one, "description": "asked"}) == message
    assert client.update([{"email": "c@x.co", "transactional": True}]) == message
    (entry,) = client.get("a+b@x.co")
    assert (entry["source"], entry["non_transactional"]) == ("Manually Added", True)
    listed = client.list(
        from_date="2015-01-01T00:00:00+0000",
        to_date="2115-01-01T00:00:00+0000",
        types=["transactional", "non_transactional"],
        limit=5,
    )
    assert [entry["recipient"] for entry in listed] == ["c@x.co", "a+b@x.co"]
    assert client.delete("a+b@x.co") is True
    with pytest.raises(SparkPostAPIException, match="Recipient could not be found"):
        client.get("a+b@x.co")


def test_tls_below_1_2_is_refused(service: Service, tmp_path: Path) -> None:
    certificate = ensure_certificate(tmp_path, TlsSettings(), ["localhost"], datetime.now(UTC))
    web = service.start_web(certificate)

    def versions_spoken(highest: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = highest
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with (
            socket.create_connection(("127.0.0.1", web.port), timeout=LIMIT) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            return tls.version()

    assert versions_spoken(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.warns(DeprecationWarning), pytest.raises(ssl.SSLError):
        versions_spoken(ssl.TLSVersion.TLSv1_1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_parent(service: Service, number: signal.Signals) -> None:
    web = service.start_web()
    children = children_of(web.process.pid)
    assert children
    os.kill(web.process.pid, number)
    assert web.process.wait(LIMIT) == (0 if number == signal.SIGTERM else -number)
    wait_until(lambda: not any(map(is_alive, children)), "the children to end")


def test_a_request_under_way_is_answered_before_the_end(service: Service) -> None:
    """D16, for web: the worker is slow, the stop comes meanwhile."""
    worker = service.start_worker()
    web = service.start_web()
    assert web.send(transmission())[0] == 200
    assert worker.stdout is not None
    worker.send_signal(signal.SIGUSR1)
    assert worker.stdout.readline() == "holding\n"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(web.send, transmission())
        assert worker.stdout.readline() == "asked\n"
        web.process.terminate()
        worker.send_signal(signal.SIGUSR2)
        assert answer.result(LIMIT)[0] == 200
    assert web.process.wait(LIMIT) == 0
    assert len(service.injections()) == 2
