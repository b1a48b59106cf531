"""Where settings come from, which one wins, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import programs
from merpati.settings import (
    HostPort,
    Settings,
    SettingsError,
    load,
    origins,
    parse_host_port,
    settings_reference,
)
from tests.support.prepared import prepared


def write(folder: Path, text: str) -> Path:
    (folder / "merpati.toml").write_text(text)
    return folder


def settings(folder: Path, **environ: str) -> Settings:
    return load(folder, environ)


def test_defaults_without_a_file(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.delivery.port == 25
    assert found.dns.servers == []
    assert found.safety.allow_private == []
    assert found.mail.bounce_domain == f"bounces.{found.mail.hostname}"


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    write(tmp_path, "[delivery]\nport = 2501\nconnections = 7\nretry_seconds = 60\n")
    environ = {"MERPATI_DELIVERY__PORT": "2502", "MERPATI_DELIVERY__CONNECTIONS": "8"}
    found = {o.name: o for o in origins(tmp_path, environ, {"delivery.port": 2503})}
    assert (found["delivery.port"].value, found["delivery.port"].origin) == (2503, "flag")
    connections, retry = found["delivery.connections"], found["delivery.retry_seconds"]
    assert (connections.value, connections.origin) == (8, "MERPATI_DELIVERY__CONNECTIONS")
    assert (retry.value, retry.origin) == (60, str(tmp_path / "merpati.toml"))
    assert found["delivery.expire_seconds"].origin == "default"


def test_a_flag_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "[delivery]\nworkers = 3\n")
    assert load(tmp_path, {}, {"delivery.workers": None}).delivery.workers == 3


def test_lists_in_the_environment_are_comma_separated(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        MERPATI_SAFETY__ALLOW_PRIVATE="127.0.0.0/8, fd00::/8",
        MERPATI_DNS__SERVERS="",
    )
    assert found.safety.allow_private == ["127.0.0.0/8", "fd00::/8"]
    assert found.dns.servers == []


def test_lists_in_the_file_are_lists(tmp_path: Path) -> None:
    write(tmp_path, '[dns]\nservers = ["192.0.2.1", "[2001:db8::1]:5353"]\n')
    assert settings(tmp_path).dns.servers == ["192.0.2.1", "[2001:db8::1]:5353"]


def test_the_bounce_domain_follows_the_hostname(tmp_path: Path) -> None:
    write(tmp_path, '[mail]\nhostname = "mta.example"\n')
    assert settings(tmp_path).mail.bounce_domain == "bounces.mta.example"


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    environ = {"MERPATI_DATA": "/x", "MERPATI_FAULTS": "a=kill", "PATH": "/bin"}
    assert load(tmp_path, environ) == load(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "environ", "says"),
    [
        pytest.param(
            "[delivery]\nprot = 25\n",
            {},
            "unknown setting 'delivery.prot' in {file}; did you mean 'delivery.port'?",
            id="key in the file",
        ),
        pytest.param(
            "[deliver]\nport = 25\n",
            {},
            "unknown setting 'deliver.port' in {file}; did you mean 'delivery.port'?",
            id="section in the file",
        ),
        pytest.param(
            "port = 25\n",
            {},
            "unknown setting 'port' in {file}; did you mean 'delivery.port'?",
            id="forgotten section",
        ),
        pytest.param(
            "",
            {"MERPATI_DELIVERY_PORT": "25"},
            "unknown setting 'MERPATI_DELIVERY_PORT' in the environment; "
            "did you mean 'MERPATI_DELIVERY__PORT'?",
            id="one underscore",
        ),
        pytest.param(
            '[delivery]\nport = "25"\n',
            {},
            "setting delivery.port ({file}): Expected `int`, got `str`",
            id="text for a number in the file",
        ),
        pytest.param(
            "[delivery]\nport = 70000\n",
            {},
            "setting delivery.port ({file}): Expected `int` <= 65535",
            id="no such port",
        ),
        pytest.param(
            "",
            {"MERPATI_DELIVERY__PORT": "smtp"},
            "setting delivery.port (MERPATI_DELIVERY__PORT): Expected `int`, got `str`",
            id="a word for a number in the environment",
        ),
        pytest.param(
            '[safety]\nallow_private = "10.0.0.0/8"\n',
            {},
            "setting safety.allow_private ({file}): Expected `array`, got `str`",
            id="text for a list in the file",
        ),
        pytest.param(
            '[safety]\nallow_private = ["10.0.0.1/8"]\n',
            {},
            "setting safety.allow_private ({file}): '10.0.0.1/8' is no network; "
            "write it as 10.0.0.0/8 or fd00::/8",
            id="host bits in a network",
        ),
        pytest.param(
            "",
            {"MERPATI_LISTEN__HTTP": "8080"},
            "setting listen.http (MERPATI_LISTEN__HTTP): '8080' must be HOST:PORT, "
            "an IPv6 address in brackets: [::1]:25",
            id="port without host",
        ),
        pytest.param(
            '[mail]\nbounce_domain = "bounces example"\n',
            {},
            "setting mail.bounce_domain ({file}): 'bounces example' is no domain name "
            "(lower case, ASCII)",
            id="no domain",
        ),
        pytest.param(
            '[desk]\nsupport_address = "support+x@kirim.example"\n',
            {},
            "setting desk.support_address ({file}): 'support+x@kirim.example' must be an address "
            "such as support@kirim.example",
            id="support address with a detail",
        ),
        pytest.param("[delivery\n", {}, "{file} is not valid TOML: ", id="broken file"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_place(
    tmp_path: Path, text: str, environ: Mapping[str, str], says: str
) -> None:
    write(tmp_path, text)
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, environ)
    assert refusal.value.message.startswith(says.format(file=tmp_path / "merpati.toml"))


def test_a_desk_whose_account_cannot_send_is_named(tmp_path: Path) -> None:
    prepared(tmp_path)

    def check() -> tuple[int, list[str]]:
        words = ("config", "check", "--data", str(tmp_path), "--json")
        done = programs.run(*words, environment=os.environ)
        return done.returncode, [fault["setting"] for fault in json.loads(done.stdout)["faults"]]

    assert check() == (0, [])
    write(tmp_path, '[desk]\naccount = "nobody"\nsupport_address = "support@kirim.example"\n')
    assert check() == (1, ["desk.account"])


def test_every_setting_is_described_and_can_be_set_by_its_variable(tmp_path: Path) -> None:
    for setting in settings_reference():
        assert setting.description
        value = setting.default
        text = ",".join(value) if isinstance(value, list) else str(value)
        (found,) = [
            origin
            for origin in origins(tmp_path, {setting.environment: text})
            if origin.name == setting.name
        ]
        assert found.origin == setting.environment


HOSTS = st.one_of(st.ip_addresses().map(str), st.sampled_from(["localhost", "mx-1.example"]))


@given(HOSTS, st.integers(0, 65_535))
def test_host_and_port_survive_their_text(host: str, port: int) -> None:
    assert parse_host_port(str(HostPort(host, port))) == HostPort(host, port)


@given(HOSTS)
def test_a_missing_port_is_the_default(host: str) -> None:
    assert parse_host_port(host, 53) == HostPort(host, 53)


@pytest.mark.parametrize(
    "text",
    ["", ":25", "host", "host:", "host:x", "host:65536", "1.2.3:25", "a b:25", "[::1]", "::1"],
)
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|no port|names no host"):
        parse_host_port(text)
