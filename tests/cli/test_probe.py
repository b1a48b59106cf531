"""`merpati probe` as a command: what it prints, its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import programs
from harness.sandbox import Sandbox
from tests.support.prepared import prepared
from tests.support.shell import Shell


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    it = Sandbox()
    it.start("127.0.0.60:0")
    yield it
    it.stop()


def probe(sandbox: Sandbox, data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **sandbox.environment}
    return programs.run("probe", *words, "--data", str(prepared(data)), environment=environment)


def test_a_way_that_is_open_ends_with_0(sandbox: Sandbox, tmp_path: Path) -> None:
    done = probe(sandbox, tmp_path, "Plain-like.test", "--from", "127.0.0.2")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [line.split()[1] for line in done.stdout.splitlines() if line[:2] in ("OK", "WA")]
    assert names[:2] == ["sending-ip", "mx"]
    assert names[-1] == "rset"
    assert "127.0.0.2 is no sending IP of an account" in done.stderr
    assert done.stderr.splitlines()[-1] == "nothing was sent"


def test_the_sending_ips_own_name_is_said(sandbox: Sandbox, tmp_path: Path) -> None:
    for words in (
        ["account", "create", "A", "--plan", "premium", "--service-time-zone", "uk"],
        ["ip", "add", "127.0.0.3", "--account", "1", "--hostname", "mta3.kirim.example"],
    ):
        Shell(prepared(tmp_path)).json(*words)
    done = probe(
        sandbox,
        tmp_path,
        *("plain-like.test", "--from", "127.0.0.3", "--rcpt", "reject@plain-like.test"),
        *("--sender", "", "--json"),
    )
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["helo"], document["sender"]) == ("mta3.kirim.example", "")
    refused = document["steps"][-1]
    assert (refused["name"], refused["level"]) == ("rcpt to", "FAIL")
    assert refused["meaning"].startswith("mail would bounce, class 10")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["plain-like.test"], 2, "Missing option '--from'"),
        (["plain-like.test", "--from", "mta.example"], 2, "'mta.example' is no IP address"),
        (["plain-like.test", "--from", "127.0.0.2", "--rcpt", "a@b>c"], 2, "no email address"),
        (["a b.test", "--from", "127.0.0.2"], 1, "'a b.test' is not a domain name"),
    ],
)
def test_a_wrong_question_is_refused(
    sandbox: Sandbox, tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    done = probe(sandbox, tmp_path, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
