"""The file that describes providers: what it may say, and what is told of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.cli.main import main
from merpati.reputation.provider_model import Growth
from merpati.sandbox.providers_file import ProvidersFile, example, read_providers_file
from merpati.sandbox.toml_reading import TomlFileError

ONE = '[[provider]]\nname = "A"\ndomains = ["a.test"]\n'


def read(folder: Path, text: str | bytes) -> ProvidersFile:
    path = folder / "providers.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_providers_file(path)


def test_the_example_is_such_a_file_and_shows_each_key(tmp_path: Path) -> None:
    file = read(tmp_path, example())
    assert [one.name for one in file.provider][:2] == ["Gmail", "Outlook.com"]
    for provider in file.provider:
        for key in provider.__struct_fields__:
            assert f"\n{key} =" in example() or f"\n# {key} =" in example(), key


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    (provider,) = read(tmp_path, ONE).provider
    temper = provider.temper
    assert (provider.like, temper.start_per_day, temper.growth) == (
        "everybody",
        500,
        Growth.EARNED,
    )
    assert temper.bucket_hours is None
    assert temper.reports_complaints


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + ONE).provider[0].name == "A"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE + "tolerance = 3\n", "line 4: provider 1 tolerance: unknown key 'tolerance'"),
        (ONE + "nose = 3\n", "line 4: provider 1 nose: .* did you mean 'noise'?"),
        (ONE + 'hosts = "two"\n', "line 4: provider 1 hosts: expected `int`, got `str`"),
        (ONE + "block_cost = 1.5\n", "line 4: provider 1 block_cost: expected `float` <= 1.0"),
        (ONE + "growth = 'fast'\n", "line 4: provider 1 growth: invalid enum value 'fast'"),
        (ONE + "start_per_day = -5\n", "line 4: provider 1 start_per_day: expected `float` >= 1"),
        (ONE + ONE, "line 5: provider 2 name: there is a provider 'A' already"),
        (ONE + ONE.replace("A", "B"), "line 4: provider 2 like: 'A' is 'everybody' already"),
        (
            ONE + ONE.replace("A", "B") + "like = 'google'\n",
            "line 6: provider 2 domains: a.test is taken by 'A' already",
        ),
        (ONE + "like = 'gogle'\n", "line 4: provider 1 like: .* did you mean 'google'?"),
        (ONE + "blocklists = ['x.test']\n", "line 4: provider 1 blocklists: there is no blocklist"),
        (ONE + "[[blocklist]]\nzone='x.test'\nlisted=['x']\n", "line 6: blocklist 1 listed: 'x'"),
        (ONE + "[feedback]\nsmtp = 'here'\n", "line 5: feedback smtp: "),
        (ONE + "[feedbak]\n", "line 4: feedbak: unknown table 'feedbak'; did you mean 'feedback'"),
        ("[[provider]]\nname = 'A'\n", "line 1: provider 1: object missing required field"),
        ("[provider]\nname = 'A'\n", r"line 1: provider: write provider as a table: \[\[prov"),
        (ONE.replace("A", ""), "line 2: provider 1 name: a name has 1 to 60 printable"),
        (ONE.replace("A", "A\\u001b[31m"), "line 2: provider 1 name: .* printable"),
        (
            ONE.replace('["a.test"]', '["a.test", "A.test"]'),
            "line 3: provider 1 domains: A.test stands there already",
        ),
        (ONE.replace('["a.test"]', '["a b"]'), "line 3: provider 1 domains: 'a b' is no name"),
        (ONE.replace('["a.test"]', "[]"), "line 3: provider 1 domains: .* length >= 1"),
        (ONE + "hosts = true\n", "line 4: provider 1 hosts: expected `int`, got `bool`"),
        (ONE + "noise = nan\n", "line 4: provider 1 noise: expected `float` >= 0.0"),
        (ONE + "start_per_day = inf\n", "line 4: provider 1 start_per_day: expected `float` <="),
        (ONE + "bucket_hours = 0\n", "line 4: provider 1 bucket_hours: expected `float` > 0.0"),
        (ONE + "registered_ips = ['300.1.1.1']\n", "line 4: provider 1 registered_ips: '300"),
        (ONE + 'name = "B"\n', r"is not valid TOML: .*line 4"),
        (ONE + "[[blocklist]]\nzone = 'x.test'\nhours = 3\n", "line 6: .*'listed_hours'"),
        (ONE + "[[blocklist]]\nzone = 'x.test'\ncomplaints = 0\n", "line 6: .* >= 1"),
        (ONE + "[[blocklist]]\nzone='x.test'\n" * 2, "line 7: blocklist 2 zone: there is a block"),
        (ONE + "[feedback]\nsmtp = 'x:25'\nto = 'me'\n", "line 6: feedback to: 'me' is no email"),
        (ONE + "[feedback]\nsmtp = 'x:99999'\n", "line 5: feedback smtp: .* no port between"),
        (ONE + "[people]\nhosts = ['http://x/']\n", "line 5: people hosts: 'http://x/'"),
        (ONE + "[[people]]\n", r"line 4: people: write people as a table: \[people\]"),
        (ONE + "[provider.more]\nx = 1\n", "provider 1 more: unknown key 'more'"),
        (f"provider = {'[' * 5_000}", "is not valid TOML: nested too deep"),
        ("", "describes no provider"),
        ("[[provider]\n", "is not valid TOML: .*line 1"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(
    tmp_path: Path, text: str | bytes, says: str
) -> None:
    with pytest.raises(TomlFileError, match=says) as refused:
        read(tmp_path, text)
    assert str(tmp_path / "providers.toml") in refused.value.message


def test_nothing_starts_with_a_wrong_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(ONE + "nose = 3\n")
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "--providers", str(path)])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "line 4: provider 1 nose" in said.err
