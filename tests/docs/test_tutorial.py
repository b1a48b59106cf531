"""The tutorial's commands run as they stand; only its ports are replaced by free ones."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from harness.service import free_port

ROOT = Path(__file__).parents[2]


def test_the_tutorial_leads_where_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), re.DOTALL)
    script = "set -eu\n" + "".join(blocks)
    for port in ("8080", "2587", "2525", "2526", "5300"):
        assert port in script
        script = re.sub(rf"\b{port}\b", str(free_port()), script)
    shell = subprocess.Popen(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=100)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, output
    assert '"total_accepted_recipients":2' in output.replace(" ", "")
    _, *arrived = (tmp_path / "arrivals.txt").read_text().splitlines()
    sent = ["sari@receiver.example", "budi@receiver.example"]
    assert [line.split()[:2] for line in arrived] == [["accepted", address] for address in sent]
    assert len(list((tmp_path / "received").iterdir())) == 2
