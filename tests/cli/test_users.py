"""`merpati user`, `privacy` and `account acknowledge`: people and what they agreed to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from merpati.accounts import users
from tests.support.shell import QuickShell, Shell


@pytest.fixture
def shell(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    given = QuickShell(tmp_path / "data", monkeypatch)
    given.json("account", "create", "Toko Kirim", "--service-time-zone", "uk")
    return given


def test_people_are_invited_changed_kept_out_and_let_in(shell: Shell) -> None:
    owner = ("user", "create", "sari@kirim.example", "--name", "Sari", "--account", "Toko Kirim")
    made = shell.json(*owner, "--role", "owner", "--language", "id")
    assert made["accounts"] == ["Toko Kirim (owner)"]
    assert made["link"].startswith("http://127.0.0.1:8080/invitation/")
    token = made["link"].rpartition("/")[2]
    chosen = {"language": "id", "time_zone": "UTC", "now": datetime.now(UTC)}
    users.accept_invitation(token, "Sari", "kopi-tubruk-pagi", **chosen)
    assert "member already" in shell.refused(*owner)
    staff = shell.json("user", "create", "sari@kirim.example", "--name", "S", "--staff",
                       "administrator")  # fmt: skip
    assert (staff["link"], staff["name"]) == (None, "Sari")
    assert "Nobody would be left" in shell.refused("user", "disable", "sari@kirim.example")
    assert "no owner" in shell.refused(
        "user", "role", "sari@kirim.example", "none", "--account", "Toko Kirim"
    )
    tam = ("user", "create", "tari@desk.example", "--name", "Tari", "--staff", "tam")
    assert "Nobody of the staff" in shell.refused(*tam)
    shell.json("user", "create", "budi@kirim.example", "--name", "Budi", "--account", "Toko Kirim")
    changed = shell.json(
        "user", "role", "budi@kirim.example", "developer", "--account", "Toko Kirim"
    )
    assert changed["accounts"] == ["Toko Kirim (developer)"]
    assert shell.json("user", "disable", "budi@kirim.example")["state"] == "disabled"
    assert shell.json("user", "enable", "budi@kirim.example")["state"] == "invited"
    again = shell.json("user", "reset", "sari@kirim.example", "--second-factor")
    assert again["link"] != made["link"]
    listed = shell.json("user", "list", "--account", "Toko Kirim")["users"]
    assert [each["email"] for each in listed] == ["budi@kirim.example", "sari@kirim.example"]
    assert shell.json("user", "show", "sari@kirim.example")["second_factors"] == []
    assert "Nobody signs in as" in shell.refused("user", "show", "x@kirim.example")


def test_a_notice_is_published_and_exclusions_are_acknowledged(
    shell: Shell, tmp_path: Path
) -> None:
    texts = {"en": tmp_path / "en.txt", "id": tmp_path / "id.txt"}
    for language, file in texts.items():
        file.write_text(f"Text ({language})")
    assert shell.json("privacy", "show", "--language", "id")["version"] == "1"
    publish = ("privacy", "publish", "2027-01", "--en", str(texts["en"]), "--id", str(texts["id"]))
    shell.json(*publish)
    assert "published before" in shell.refused(*publish)
    assert shell.json("privacy", "show", "--language", "id")["text"] == "Text (id)\n"
    assert shell.json("privacy", "agreed") == {"agreed": []}
    paper = ("account", "acknowledge", "Toko Kirim", "--by", "Sari", "--language", "id")
    some = shell.json(*paper, "--exclusion", "templates")
    assert some["wordings"] == {
        "templates": "Pembuatan atau penerjemahan templat Anda tidak termasuk."
    }
    assert "inbox_placement" in some["outstanding"]
    assert "There is no exclusion" in shell.refused(*paper, "--exclusion", "placement")
    assert shell.json(*paper)["outstanding"] == []
