"""`merpati rehearse` on the example files, and what it says of wrong ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from merpati.cli.main import main
from merpati.rehearsal.report import report
from merpati.rehearsal.result import Result
from merpati.sandbox.providers_file import example

TRAFFIC = Path(__file__).parents[2] / "docs" / "rehearsal" / "traffic.csv"


@pytest.fixture
def providers(tmp_path: Path) -> Path:
    path = tmp_path / "providers.toml"
    path.write_text(example())
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["rehearse", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_example_is_rehearsed_into_json_and_reports(
    tmp_path: Path, providers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    work = tmp_path / "work"
    work.mkdir()
    options = ["--days", 2, "--starts-on", "2030-01-07", "--work", work, "--html", page, "--json"]
    assert run(TRAFFIC, "--providers", providers, *options) == 0
    said = capsys.readouterr()
    result = msgspec.convert(json.loads(said.out), Result)
    assert [stream.provider for stream in result.streams] == ["Gmail", "Outlook.com", "Yahoo"]
    assert {len(stream.days) for stream in result.streams} == {2}
    assert result.messages == sum(
        day.delivered + day.hard_bounced + day.old
        for stream in result.streams
        for day in stream.days
    )
    assert list(work.iterdir()) == []
    assert str(page) in said.err
    text = page.read_text()
    assert "Rehearsal of a migration" in text
    assert "Gmail" in text
    assert not re.search(r"(src|href)=|url\(|<script", text)  # self-contained
    assert "Gladi migrasi" in (indonesian := report(result, "id"))
    assert "hari pertama" in indonesian.lower() or "mulai" in indonesian.lower()


def test_the_same_seed_gives_the_same_json(
    tmp_path: Path, providers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "tiny.csv"
    plan.write_text("stream,provider,messages_per_day\nnews,google,40\nnews,yahoo,20\n")
    said = []
    for seed, processes in ((1, 1), (1, 2), (2, 2)):
        options = ["--days", 1, "--starts-on", "2030-01-07", "--seed", seed, "--json"]
        assert run(plan, "--providers", providers, "--processes", processes, *options) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0] != said[2]


@pytest.mark.parametrize(
    ("plan", "options", "says"),
    [
        ("stream,provider,messages_per_day\nnews,google,-5\n", [], "line 2, messages_per_day"),
        ("stream,provider,messages_per_day\nnews,orange,5\n", [], 'like = "orange"'),
        (None, [], "No such file"),
        (
            "stream,provider,messages_per_day\nnews,google,5\n",
            ["--starts-on", "2020-01-01"],
            "2020",
        ),
        (
            "stream,provider,messages_per_day\nnews,google,5\n",
            ["--html", "/nowhere/r"],
            "/nowhere/r",
        ),
        ("stream,provider,messages_per_day\nnews,google,5\n", ["--work", "/nowhere"], "--work"),
    ],
)
def test_what_cannot_be_rehearsed_is_said_in_one_line(
    tmp_path: Path,
    providers: Path,
    capsys: pytest.CaptureFixture[str],
    plan: str | None,
    options: list[str],
    says: str,
) -> None:
    path = tmp_path / "traffic.csv"
    if plan is not None:
        path.write_text(plan)
    assert run(path, "--providers", providers, *options) == 1
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


def test_a_plans_number_needs_a_data_folder(
    providers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MERPATI_DATA", raising=False)
    assert run("12", "--providers", providers) == 2
    assert "name the data folder that keeps it with --data" in capsys.readouterr().err
