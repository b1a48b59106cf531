"""Starting, restarting and stopping in order, with small programs in the place of our processes.

Forked from a nursery and as interpreters of their own: nobody else can tell the difference.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.service import is_alive, wait_until
from merpati.runtime.addresses import Addresses
from merpati.runtime.paths import DataFolder
from merpati.runtime.supervisor import programs
from merpati.settings import HostPort

SMALL_PROGRAMS = Path(__file__).with_name("small_programs.py")


class Run:
    """One supervisor process and what it says."""

    def __init__(self, way: str, folder: Path, *wanted: str, log: Path | None = None) -> None:
        self.folder = folder
        self.log = log or folder / "log"
        with self.log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(SMALL_PROGRAMS), way, str(folder), *wanted],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def first_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def pids(self) -> dict[str, int]:
        try:
            state = json.loads((self.folder / "run" / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return dict(state["pids"])

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Runs:
    """Starts supervisors that run their programs one of two ways; ends them all."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._started: list[Run] = []

    def start(self, folder: Path, *wanted: str, log: Path | None = None) -> Run:
        run = Run(self._way, folder, *wanted, log=log)
        self._started.append(run)
        return run

    def end(self) -> None:
        for run in self._started:
            run.end()


@pytest.fixture(params=["nursery", "interpreter"])
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    runs = Runs(request.param)
    yield runs
    runs.end()


def test_ready_is_said_once_all_take_connections(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(tmp_path, "a=serve", "b=serve")
    assert run.first_line() == "ready"
    assert set(run.pids()) == {"a", "b"}


def test_sigterm_stops_stage_by_stage_and_leaves_nothing(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(tmp_path, "first=serve", "second=serve", "third=serve")
    assert run.first_line() == "ready"
    pids = run.pids()
    run.process.terminate()
    assert run.process.wait(20) == 0
    assert not any(is_alive(pid) for pid in pids.values())
    stops = [line for line in run.log.read_text().splitlines() if "told to stop" in line]
    assert [Path(line.split()[-1]).stem for line in stops] == ["first", "second", "third"]
    assert run.pids() == {}


def test_a_killed_child_is_restarted_and_said_so(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(tmp_path, "a=serve", "b=serve")
    assert run.first_line() == "ready"
    before = run.pids()
    os.kill(before["a"], signal.SIGKILL)
    # A socket of the dead one lies in the way: the real processes remove it as this one does not.
    (tmp_path / "run" / "a.sock").unlink()
    wait_until(lambda: run.pids().get("a", before["a"]) != before["a"], "another a")
    assert run.pids()["b"] == before["b"]
    assert (
        'process_ended name=a how="was killed by SIGKILL" next_try_seconds=0.2'
        in run.log.read_text()
    )


def test_a_log_that_cannot_be_written_holds_up_nobody(runs: Runs, tmp_path: Path) -> None:
    """D5: its disk is full. A child that says much must neither wait for ever nor go unwatched."""
    run = runs.start(tmp_path, "a=chatty", log=Path("/dev/full"))
    assert run.first_line() == "ready"
    before = run.pids()["a"]
    (tmp_path / "run" / "a.sock").unlink()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: run.pids().get("a", before) != before, "another a")
    run.process.terminate()
    run.process.wait(20)


@pytest.mark.parametrize("runs", ["interpreter"], indirect=True)
def test_a_process_that_cannot_be_started_again_is_tried_again(runs: Runs, tmp_path: Path) -> None:
    """As when memory or process numbers have run out: no reason to stop all the others."""
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    run = runs.start(tmp_path, "a=serve", "b=serve")
    assert run.first_line() == "ready"
    before = run.pids()
    interpreter.rename(tmp_path / "aside")
    os.kill(before["a"], signal.SIGKILL)
    said = 'name=a how="cannot be started: No such file'
    wait_until(lambda: said in run.log.read_text(), "the attempt")
    (tmp_path / "run" / "a.sock").unlink()
    (tmp_path / "aside").rename(interpreter)
    wait_until(lambda: run.pids().get("a", before["a"]) != before["a"], "another a")
    assert run.pids()["b"] == before["b"]


@pytest.mark.parametrize("runs", ["nursery"], indirect=True)
def test_the_end_of_the_nursery_is_none_of_the_service(runs: Runs, tmp_path: Path) -> None:
    """Its children end with it, and come again without it."""
    run = runs.start(tmp_path, "a=serve")
    assert run.first_line() == "ready"
    before = run.pids()["a"]
    (tmp_path / "run" / "a.sock").unlink()
    nursery = int(Path(f"/proc/{before}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert nursery != run.process.pid
    os.kill(nursery, signal.SIGKILL)
    wait_until(lambda: run.pids().get("a", before) != before, "another a")
    assert not is_alive(before)
    run.process.terminate()
    assert run.process.wait(20) == 0


@pytest.mark.parametrize("runs", ["nursery"], indirect=True)
def test_processes_are_known_by_name(runs: Runs, tmp_path: Path) -> None:
    """They share one command line."""
    run = runs.start(tmp_path, "deliver-0=serve", "web=serve")
    assert run.first_line() == "ready"
    named = {
        name: Path(f"/proc/{pid}/comm").read_text().strip() for name, pid in run.pids().items()
    }
    assert named == {"deliver-0": "deliver-0", "web": "web"}


@pytest.mark.parametrize("runs", ["nursery"], indirect=True)
def test_a_service_manager_that_tells_all_processes_stops_in_order(
    runs: Runs, tmp_path: Path
) -> None:
    """As systemd does: SIGTERM to everything at once. The nursery must not take its children."""
    run = runs.start(tmp_path, "a=serve")
    assert run.first_line() == "ready"
    child = run.pids()["a"]
    nursery = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(nursery, signal.SIGTERM)
    run.process.terminate()
    assert run.process.wait(20) == 0
    assert "told to stop" in run.log.read_text()


def test_a_child_that_ends_while_starting_ends_the_run(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(tmp_path, "a=serve", "b=broken")
    assert run.process.wait(20) == 1
    said = run.log.read_text()
    assert "b ended with code 1 while starting\n  the disk is on fire" in said
    assert run.first_line() == ""


def test_a_child_that_never_answers_ends_the_run(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(tmp_path, "a=deaf", "b=serve")
    assert run.process.wait(20) == 1
    assert "a takes no connections after 2 s\n  busy with something else" in run.log.read_text()


def test_a_child_that_does_not_stop_is_killed(runs: Runs, tmp_path: Path) -> None:
    """D16: a graceful stop has an end."""
    run = runs.start(tmp_path, "a=stubborn")
    assert run.first_line() == "ready"
    pid = run.pids()["a"]
    run.process.terminate()
    assert run.process.wait(20) == 0
    assert not is_alive(pid)
    assert "process_killed name=a how=did_not_stop after_seconds=1" in run.log.read_text()


def test_kill_9_of_the_supervisor_takes_all_along(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(tmp_path, "a=serve", "b=stubborn")
    assert run.first_line() == "ready"
    pids = run.pids().values()
    run.process.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the children to die", 10)


def test_a_new_run_follows_a_killed_one(runs: Runs, tmp_path: Path) -> None:
    killed = runs.start(tmp_path, "a=serve")
    assert killed.first_line() == "ready"
    killed.process.kill()
    assert runs.start(tmp_path, "a=serve").first_line() == "ready"


def test_a_second_run_on_the_same_folder_is_refused(runs: Runs, tmp_path: Path) -> None:
    """D9: two workers never hold the same shards."""
    first = runs.start(tmp_path, "a=serve")
    assert first.first_line() == "ready"
    second = runs.start(tmp_path, "a=serve")
    assert second.process.wait(20) == 1
    said = first.log.read_text()
    assert f"merpati already runs on {tmp_path} (process {first.process.pid})" in said
    assert first.process.poll() is None


def test_the_folder_stays_taken_while_a_child_lives(runs: Runs, tmp_path: Path) -> None:
    """The lock goes to the children too, should one outlive the supervisor."""
    run = runs.start(tmp_path, "a=serve")
    assert run.first_line() == "ready"
    held = (tmp_path / "run" / "run.lock").resolve()
    descriptors = Path(f"/proc/{run.pids()['a']}/fd")
    assert held in {descriptor.resolve() for descriptor in descriptors.iterdir()}


def test_files_where_the_command_was_typed_are_not_ours(tmp_path: Path) -> None:
    """A module there of the same name would be run with our rights, /tmp's by anybody."""
    for name in ("argparse", "dns", "django", "msgspec", "merpati"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')")
    anywhere = HostPort("127.0.0.1", 0)
    addresses = Addresses(anywhere, anywhere, anywhere)
    for program in programs(DataFolder(tmp_path), addresses, workers=1):
        done = subprocess.run(
            [sys.executable, *program.command, "--help"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), program.name
