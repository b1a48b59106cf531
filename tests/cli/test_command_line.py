"""What every command has: examples in its help, exit codes 0, 1 and 2, one line for an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from harness import programs
from merpati.cli.main import COMMANDS, merpati, run_command_line
from tests.support.prepared import prepared


def all_commands(
    command: click.Command = merpati, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from all_commands(inner, (*path, name))


EVERY = [pytest.param(path, id=" ".join(("merpati", *path))) for path in all_commands()]


@pytest.mark.parametrize("path", EVERY)
def test_every_help_shows_examples_that_name_the_command(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(merpati, [*path, "--help"])
    assert done.exit_code == 0
    _, _, examples = done.output.partition("Examples:")
    assert " ".join(("merpati", *path)) in examples


WITHOUT_DATA = {("sandbox",), ("migration", "plan")}  # they keep nothing


@pytest.mark.parametrize("path", EVERY)
def test_every_command_takes_data_and_json(path: tuple[str, ...]) -> None:
    command: click.Command | None = merpati
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    options = {flag for option in command.params for flag in option.opts}
    if isinstance(command, click.Group):
        assert options.isdisjoint({"--data", "--json"})
    else:
        assert ("--data" in options) == (path not in WITHOUT_DATA)
        assert ("--json" in options) == (path != ("run",))


def test_bare_merpati_shows_its_help() -> None:
    done = CliRunner().invoke(merpati, [])
    assert done.exit_code == 0
    assert "Examples:" in done.output
    assert all(name in done.output for name in COMMANDS)


@pytest.mark.parametrize("path", [p for p in EVERY if p.values[0] and len(p.values[0]) == 1])
def test_the_list_of_commands_is_true(path: tuple[str, ...]) -> None:
    """The lines of `merpati --help` are written apart from the commands, to import none."""
    command = merpati.get_command(click.Context(merpati), path[0])
    assert command is not None
    assert command.get_short_help_str(200).rstrip(".") == COMMANDS[path[0]].summary.rstrip(".")


def test_help_loads_neither_django_nor_cryptography() -> None:
    code = (
        "import sys; from merpati.cli.main import run_command_line as run; run(['--help']);"
        "print([m for m in ('django', 'cryptography', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def cli(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MERPATI_")}
    return programs.run(*words, environment=kept | environ)


def test_version() -> None:
    assert cli("--version").stdout.startswith("merpati 0.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["qeue"], "No such command 'qeue'", id="unknown command"),
        pytest.param(["events"], "Missing option '--data' (env var: 'MERPATI_DATA')", id="no data"),
        pytest.param(["events", "--data", "x", "--type", "click"], "'--type'", id="bad choice"),
    ],
)
def test_a_wrong_command_line_ends_with_2(words: list[str], says: str) -> None:
    done = cli(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_wrong_setting_ends_with_1_and_one_line(tmp_path: Path) -> None:
    done = cli("config", "show", "--data", str(tmp_path), MERPATI_DELIVERY__PORT="x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "Error: setting delivery.port (MERPATI_DELIVERY__PORT): Expected `int`, got `str`"
    ]


def test_an_unexpected_error_is_one_line_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(_: Path) -> None:
        raise ZeroDivisionError("half\na line")

    monkeypatch.delenv("MERPATI_DEBUG", raising=False)
    monkeypatch.setattr("merpati.settings.origins", fail)
    monkeypatch.setenv("MERPATI_DATA", str(tmp_path))
    assert run_command_line(["config", "show"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "Error: unexpected ZeroDivisionError: half a line (MERPATI_DEBUG=1 shows where it arose)"
    ]
    monkeypatch.setenv("MERPATI_DEBUG", "1")
    assert run_command_line(["config", "show"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_made_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cli("events", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert "file/data cannot be used: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lost_secret_key_is_named_not_replaced(tmp_path: Path) -> None:
    (prepared(tmp_path) / "secret.key").unlink()
    done = cli("events", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "secret.key is missing" in done.stderr
    assert "Restore it from your backup" in done.stderr


def test_json_is_all_there_is_on_stdout(tmp_path: Path) -> None:
    done = cli("config", "show", "--origin", "--json", MERPATI_DATA=str(tmp_path))
    assert json.loads(done.stdout)["delivery.port"] == {"value": 25, "origin": "default"}


def test_text_has_no_colour_where_stdout_is_no_terminal(tmp_path: Path) -> None:
    done = cli("config", "show", MERPATI_DATA=str(tmp_path))
    assert "\x1b" not in done.stdout


def test_commands_that_start_at_once_all_work(tmp_path: Path) -> None:
    """The first use makes the folder; four at a time make one."""
    data = tmp_path / "data"
    words = ["--service-time-zone", "uk", "--data", str(data), "--json"]

    def create(number: int) -> Any:
        done = programs.run("account", "create", f"Toko {number}", *words, environment=os.environ)
        return json.loads(done.stdout)["account_id"]

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(create, range(4)))
    assert sorted(made) == [1, 2, 3, 4]
    assert data.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in data.iterdir())
