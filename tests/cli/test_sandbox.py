"""`merpati sandbox` as a process: its ready line, its lines, its end."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from pathlib import Path

import pytest

from harness.programs import MERPATI
from harness.sandbox import Sandbox
from harness.service import wait_until


def test_it_tells_of_each_try_and_ends_cleanly(tmp_path: Path) -> None:
    zone = tmp_path / "zone.toml"
    zone.write_text('[[domain]]\nname = "shop.example"\nprovider = "yahoo"\n')
    sandbox = Sandbox("--zone", str(zone), "--keep", str(tmp_path / "kept"))
    sandbox.start()
    try:
        played = sandbox.ready["domains"]["shop.example"]
        assert played["host"] == "sandbox.yahoodns.net"
        with smtplib.SMTP(played["address"], sandbox.ready["smtp_port"], "mta.example", 10) as smtp:
            smtp.ehlo()
            assert smtp.has_extn("starttls")
            smtp.sendmail("a@b.example", ["sari@shop.example"], "Subject: x\r\n\r\nx\r\n")
        (seen,) = wait_until(lambda: sandbox.tries, "the try")
        assert (seen["type"], seen["outcome"], seen["provider"]) == ("try", "accepted", "yahoo")
        assert Path(seen["file"]).read_text() == "Subject: x\n\nx\n"
    finally:
        assert sandbox.stop() == 0


def test_without_json_it_prints_lines_for_people() -> None:
    sandbox = subprocess.Popen(
        [MERPATI, "sandbox", "--smtp", "127.0.0.40:0", "--dns", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sandbox.stdout is not None
        ready = sandbox.stdout.readline().split()
        assert ready[:3] == ["merpati", "sandbox", "ready"]
        port = int(ready[3].rpartition(":")[2])
        with (
            smtplib.SMTP("127.0.0.40", port, "mta.example", 10) as smtp,
            pytest.raises(smtplib.SMTPRecipientsRefused),
        ):
            smtp.sendmail("a@b.example", ["reject@x.test"], "")
        line = sandbox.stdout.readline()
        assert line.startswith("refused  reject@x.test from=127.0.0.1 helo=mta.example")
        assert "550 5.1.1" in line
    finally:
        sandbox.terminate()
        assert sandbox.wait(20) == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--smtp", "mx.example:25"], 2, "give an address of this machine"),
        (["--smtp", "192.0.2.1:2525"], 1, "Error:"),
        (["--zone", "none.toml"], 1, "none.toml cannot be read"),
    ],
)
def test_what_cannot_be_played_ends_with_one_line(words: list[str], code: int, says: str) -> None:
    done = subprocess.run(
        [MERPATI, "sandbox", "--dns", "127.0.0.1:0", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr.splitlines()[-1]


def test_on_a_terminal_it_shows_figures() -> None:
    """Under a pseudo-terminal."""
    code = (
        "import os, pty, signal, sys\n"
        "pid, fd = pty.fork()\n"
        f"if not pid: os.execv({MERPATI!r}, ['merpati', 'sandbox', '--smtp', '127.0.0.40:0',"
        " '--dns', '127.0.0.1:0'])\n"
        "text = b''\n"
        "while b'gmail-like.test' not in text: text += os.read(fd, 1024)\n"
        "os.kill(pid, signal.SIGINT)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
