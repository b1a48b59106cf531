"""`merpati warmup`, `merpati engagement`, and the outlook of a campaign."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.prepared import prepared
from tests.support.shell import SteadyShell

IP = "127.0.0.2"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[SteadyShell]:
    shell = SteadyShell(prepared(tmp_path / "data"))
    shell.json("account", "create", "Toko Kirim", "--service-time-zone", "us-eastern")
    shell.json("ip", "add", IP, "--account", "1", "--hostname", "mta1.kirim.example")
    yield shell
    shell.close()


def test_a_warm_up_is_started_watched_decided_and_stopped(shell: SteadyShell) -> None:
    assert "no IP warms up" in shell("warmup", "status").stdout
    refused = shell.refused("warmup", "override", IP, "google", "9", "--reason", "test")
    assert "merpati warmup start" in refused
    assert shell.json("warmup", "start", IP, "--engaged-within", "30")["by_provider"] is True
    assert shell.json("warmup", "target", IP, "gmail.com", "9000")["provider"] == "google"
    assert "say either" in shell.refused("warmup", "target", IP, "google", code=2)
    made = shell.json(
        "warmup", "override", IP, "google", "500", "--days", "2", "--reason", "Agreed by phone"
    )
    assert (made["provider"], made["messages"], made["reason"]) == (
        "google",
        500,
        "Agreed by phone",
    )
    (shown,) = shell.json("warmup", "status", IP)["sending_ips"]
    (google,) = shown["providers"]
    assert (google["messages"], google["target"], google["override"]["by"]) == (
        500,
        9000,
        made["by"],
    )
    assert "Agreed by phone" in shell("warmup", "status").stdout
    assert "say why" in shell.refused("warmup", "override", IP, "google", "9", "--reason", " ")
    assert shell.json("warmup", "stop", IP)["by_provider"] is False
    assert shell.json("warmup", "start", IP, "--stages")["stage"] == 1
    assert "does not exist" in shell.refused("warmup", "stop", "127.0.0.9")


def test_an_import_keeps_all_or_nothing(shell: SteadyShell, tmp_path: Path) -> None:
    file = tmp_path / "opens.csv"
    rows = [f"u{n}@x.example,2026-01-0{n % 9 + 1}" for n in range(25_000)]
    file.write_text("\n".join(["email,last_open", *rows, "budi,2026-01-01"]))
    refused = shell.refused("engagement", "import", str(file), "--account", "1")
    assert "line 25002, email: 'budi' is not an email address" in refused
    assert shell.json("engagement", "show", "--account", "1")["recipients"] == 0
    file.write_text("\n".join(["email,last_open", *rows]))
    for _ in range(2):  # a repeat does no harm
        done = shell.json("engagement", "import", str(file), "--account", "Toko Kirim")
        assert done == {"account_id": 1, "imported": 25_000}
    assert shell.json("engagement", "show", "--account", "1")["recipients"] == 25_000
    one = shell.json("engagement", "show", "U3@x.example", "--account", "1")
    assert one["engaged_on"] == "2026-01-04"
    wrong = ("engagement", "import", str(file), "--account", "1", "--encoding", "klingon")
    assert "no encoding" in shell.refused(*wrong, code=2)


def test_the_outlook_of_a_campaign_names_its_account(shell: SteadyShell) -> None:
    found = shell.json("queue", "outlook", "spring", "--account", "Toko Kirim")
    assert found["sentence"] == "nothing of this campaign waits"
    assert found["parts"] == []
    assert "nothing of this" in shell("queue", "outlook", "spring", "--account", "1").stdout
    assert "9" in shell.refused("queue", "outlook", "spring", "--account", "9")
