"""`database.url` in a settings file: set and taken out, with all else as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from merpati.upkeep.database_setting import set_database, with_database
from merpati.upkeep.errors import SettingNotChanged

URL = 'postgresql://merpati:a"b@db/m'
OTHERS = (
    '# ours\n[listen]\nhttp = "127.0.0.1:80"\n\n[database] # where\nurl_file = "/x"\n'
    '[log]\nformat = "json"\n'
)


@pytest.mark.parametrize("before", ["", '[log]\nformat = "json"\n', OTHERS])
def test_a_database_is_named_and_taken_out_again(before: str) -> None:
    named = with_database(before, URL)
    others = {k: v for k, v in tomllib.loads(before).items() if k != "database"}
    assert tomllib.loads(named) == others | {"database": {"url": URL}}
    again = with_database(named, "postgresql:///other")
    assert tomllib.loads(again)["database"] == {"url": "postgresql:///other"}
    assert tomllib.loads(with_database(again, "")).get("database", {}) == {}
    assert with_database(before, "").replace("# url_file", "url_file") == before


def test_a_file_written_in_another_way_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "merpati.toml"
    file.write_text('database = { url = "postgresql:///m" }\n')
    with pytest.raises(SettingNotChanged, match="change it by hand"):
        set_database(file, "")
    assert file.read_text() == 'database = { url = "postgresql:///m" }\n'


def test_a_file_that_holds_a_password_is_for_our_own_eyes(tmp_path: Path) -> None:
    file = tmp_path / "merpati.toml"
    set_database(file, URL)
    assert file.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(file.read_text())["database"]["url"] == URL
