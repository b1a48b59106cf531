"""One command runs everything: what it says, what it refuses, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import programs
from harness.service import CommandFailed, Merpati, is_alive, wait_until
from merpati.sandbox.dns_server import DnsServer
from tests.support.prepared import prepared

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Merpati]:
    """Everything there is, TLS included, with two workers."""
    zero = "127.0.0.1:0"
    options = ("--https", zero, "--submission-tls", zero, "--workers", "2")
    with DnsServer() as dns:
        data = prepared(tmp_path_factory.mktemp("running") / "data")
        merpati = Merpati(data, *options, environment={"MERPATI_DNS__SERVERS": dns.address})
        yield merpati
        merpati.stop()


@pytest.fixture
def merpati(service: Merpati) -> Merpati:
    """Have it run, also after a test that stopped it."""
    if not processes_of(service.data):
        service.start()
    return service


def processes_of(data: Path) -> set[int]:
    """Return every process that has to do with a data folder: all hold its lock, and more."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            held = [str(file.readlink()) for file in (folder / "fd").iterdir()]
            if any(name.startswith(f"{data}/") for name in held):
                found.add(int(folder.name))
    return found


def refused(data: Path, *options: str) -> str:
    """Run with some options, which must be refused; return what was said."""
    zero = "127.0.0.1:0"
    words = ["--http", zero, "--submission", zero, "--inbound", zero, *options]
    done = programs.run("run", "--data", str(data), *words, environment=os.environ, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_ready_line_names_real_ports_that_answer(merpati: Merpati) -> None:
    names = ["http", "submission", "inbound", "https", "submission_tls"]
    assert list(merpati.addresses) == names
    for address in merpati.addresses.values():
        host, port = address.split(":")
        socket.create_connection((host, int(port)), 10).close()
    assert set(merpati.pids()) == {
        *("web", "web-https", "deliver-0", "deliver-1", "receive", "clock")
    }
    # The console is in the same process as the API, which has none of its headers.
    (address,) = re.findall(r"console url=(https?://\S+)/$", merpati.log.read_text(), re.MULTILINE)
    assert address == f"https://{merpati.addresses['https']}"
    connection = http.client.HTTPConnection(merpati.addresses["http"])
    seen = {}
    for path in ("/calendar/uk", "/api/v1/nothing", "/calendar/uk.ics"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        seen[path] = (answer.status, answer.getheader("Content-Security-Policy") is not None)
    assert seen == {
        "/calendar/uk": (200, True),
        "/api/v1/nothing": (404, False),
        "/calendar/uk.ics": (200, False),
    }


def test_the_smtp_ports_take_nothing_from_strangers(merpati: Merpati) -> None:
    """R1."""
    for name in ("submission", "inbound"):
        host, port = merpati.addresses[name].split(":")
        refused = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused)
        with smtplib.SMTP(host, int(port), timeout=10) as stranger, pytest.raises(refused):
            stranger.sendmail("a@elsewhere.example", "b@elsewhere.example", "Subject: x\r\n")


def test_clients_that_trust_our_authority_reach_https(merpati: Merpati) -> None:
    authority = merpati.data / "tls" / "ca.pem"
    trusting = ssl.create_default_context(cafile=str(authority))
    host = merpati.addresses["https"]
    url = f"https://{host}/healthz"
    with urllib.request.urlopen(url, timeout=10, context=trusting) as answer:
        assert answer.status == 200


def test_it_is_ready_and_either_web_process_tells_of_all(merpati: Merpati) -> None:
    base = f"http://{merpati.addresses['http']}"
    with urllib.request.urlopen(f"{base}/readyz", timeout=10) as answer:
        assert json.load(answer) == {"status": "ready", "not_ready": []}
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    for process in ("deliver-0", "deliver-1", "clock"):
        assert f'merpati_process_up{{process="{process}"}} 1\n' in text
    assert 'merpati_accepted_messages_total{worker="1"} 0\n' in text


def test_the_doctor_finds_all_ports_answering_and_none_relaying(merpati: Merpati) -> None:
    merpati.data.chmod(0o755)
    with pytest.raises(CommandFailed) as failed:
        merpati.command("doctor")
    findings = json.loads(failed.value.stdout)["findings"]
    levels = {(f["check"], f["subject"]): f["level"] for f in findings}
    ports = ("http", "https", "submission", "submission_tls", "inbound", "deliver-0", "deliver-1")
    assert [levels["ports.listening", name] for name in ports] == ["OK"] * len(ports)
    smtp = ("submission", "submission_tls", "inbound")
    assert [levels["ports.relay", name] for name in smtp] == ["OK"] * len(smtp)
    failing = [place for place, level in levels.items() if level == "FAIL"]
    assert failing == [("folder.permissions", str(merpati.data))]
    merpati.data.chmod(0o700)
    assert merpati.command("doctor")["counts"]["FAIL"] == 0


def test_each_kind_of_process_is_restarted(merpati: Merpati) -> None:
    before = merpati.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def all_new() -> bool:
        now = merpati.pids()
        return now.keys() == before.keys() and not set(now.values()) & set(before.values())

    wait_until(all_new, "six new processes")

    def serves() -> bool:
        try:
            url = f"http://{merpati.addresses['http']}/healthz"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(serves, "the API to answer again")


def test_a_stop_ends_with_0_and_leaves_nothing(merpati: Merpati) -> None:
    """D16."""
    assert len(processes_of(merpati.data)) > 6  # the supervisor, its children, web's own children
    assert merpati.stop() == 0
    assert processes_of(merpati.data) == set()
    assert not (merpati.data / "run" / "state.json").exists()


def test_kill_9_of_the_supervisor_leaves_nothing_and_a_new_run_works(merpati: Merpati) -> None:
    os.kill(merpati.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(merpati.data) - {merpati.pid}, "all to die", 15)
    merpati.stop()
    merpati.start()
    assert merpati.addresses["http"]


def test_a_second_run_on_the_folder_is_refused_and_harms_nothing(merpati: Merpati) -> None:
    """D9."""
    before = merpati.pids()
    said = refused(merpati.data)
    assert f"merpati already runs on {merpati.data} (process {merpati.pid})" in said
    assert merpati.pids() == before
    assert all(is_alive(pid) for pid in before.values())


def test_a_port_in_use_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(prepared(tmp_path / "data"), "--inbound", f"127.0.0.1:{port}")
    assert f"cannot listen on 127.0.0.1:{port} (--inbound): Address already in use" in said


def test_commands_work_while_it_runs_and_while_it_is_stopped(merpati: Merpati) -> None:
    for _ in ("running", "stopped"):
        assert merpati.command("queue")["queues"] == []
        assert merpati.command("events") == {"events": []}
        assert merpati.command("accounts", "balance") == {"rows": []}
        merpati.stop()
