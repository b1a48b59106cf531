"""`make demo` shows the main job working, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from harness.service import wait_until

DEMO = [sys.executable, "-m", "demo"]


def processes_with(text: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(f"{file.parent.name} {command}")
    return found


def children_with(pid: int, text: str) -> list[str]:
    """Return the commands of a process's own children: another test's demonstration is none."""
    children = set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [line for line in processes_with(text) if line.split(" ", 1)[0] in children]


def test_the_demo_delivers_everything_signed_from_two_ips(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--messages", "150"],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dkim=pass 150 of 150" in done.stdout
    assert "difference 0" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*DEMO, "--messages", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    wait_until(lambda: children_with(demo.pid, "merpati run"), "the service")
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, output
    assert processes_with(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
