"""The sampling profiler: the function that burns the CPU stands at the top, in its own thread."""

import os
import subprocess
import sys
from pathlib import Path

from bench import profile

PROGRAM = """
import threading, time

def burn():
    while time.thread_time() < 1.3:  # of CPU, however busy the machine is
        sum(range(200))

thread = threading.Thread(target=burn, name="burner")
thread.start()
thread.join()
"""


def test_the_busy_function_is_named_with_its_thread(tmp_path: Path) -> None:
    environment = {**os.environ, **profile.environment(tmp_path / "profile")}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True)
    text = profile.report(tmp_path / "profile")
    hottest = text.partition("Lines, by their own time:")[2].strip().splitlines()[0]
    assert "burner: <string>:burn" in hottest
    assert "- burner:" in text
