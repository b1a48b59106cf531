"""The commands that manage what is sent with: one document on stdout, words on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from merpati.adapters.crypto import SecretBox
from merpati.cli.migration import migration
from merpati.sandbox.dns_server import DnsServer
from merpati.sandbox.providers_file import example
from merpati.sending.policy import published_policy
from tests.support.prepared import prepared
from tests.support.shell import Shell, SteadyShell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = SteadyShell(prepared(tmp_path / "data"))
    shell.json("account", "create", "Toko Kirim", "--service-time-zone", "us-eastern")
    yield shell
    shell.close()


ADD_IP = ("ip", "add", "127.0.0.2", "--account", "1", "--hostname", "mta1.kirim.example")


def test_an_account_is_made_with_its_key_and_followed_by_more(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "new" / "data")
    made = shell("account", "create", "Toko Kirim", "--service-time-zone", "uk")
    assert made.returncode == 0
    words = made.stdout.split()
    assert words[:3] == ["account_id", "1", "api_key"]
    assert len(words[3]) == 40
    assert "shown this once" in made.stderr
    assert "already" in shell.refused("account", "create", "Toko Kirim", "--service-time-zone=uk")
    assert "us-pacific" in shell.refused("account", "create", "B", "--service-time-zone=x", code=2)
    accounts = shell.json("account", "list")["accounts"]
    assert [(a["account_id"], a["name"], a["plan"]) for a in accounts] == [
        (1, "Toko Kirim", "premium")
    ]
    second = shell.json(
        "key", "create", "--account", "Toko Kirim", "--label", "Shop", "--grant", "smtp/inject"
    )
    assert second["grants"] == ["smtp/inject"]
    shell.json("key", "revoke", str(second["key_id"]))
    assert "no API key number 2 in use" in shell.refused("key", "revoke", str(second["key_id"]))
    assert "no API key number 9 in use" in shell.refused("key", "revoke", "9")
    keys = shell.json("key", "list", "--account", "1")["keys"]
    assert [(key["short_key"], key["revoked_at"] is None) for key in keys] == [
        (words[3][:4], True),
        (second["api_key"][:4], False),
    ]
    secrets = words[3].encode(), second["api_key"].encode()
    for file in shell.data.rglob("*"):
        assert file.is_dir() or not any(key in file.read_bytes() for key in secrets), file


def test_sending_ips_are_assigned_moved_and_removed(shell: Shell) -> None:
    added = shell(*ADD_IP, "--pool", "Big News", "--warm-up", "--json")
    assert "Pool big_news was made" in added.stderr
    assert json.loads(added.stdout) == {
        "external_ip": "127.0.0.2",
        "hostname": "mta1.kirim.example",
        "account_id": 1,
        "slot": 1,
        "ip_pool": "big_news",
        "auto_warmup_enabled": True,
        "auto_warmup_stage": 1,
        "warms_by_provider": False,
    }
    published = published_policy(shell.data)
    assert published is not None
    assert published.pools[1].ips[0].messages_per_day == 200
    assert shell.json("ip", "move", "127.0.0.2", "--pool", "Default")["ip_pool"] == "default"
    assert "IP pool not found" in shell.refused("ip", "move", "127.0.0.2", "--pool", "nope")
    assert "assigned already" in shell.refused(*ADD_IP)
    assert "no account 'x'" in shell.refused(*ADD_IP[:4], "x", *ADD_IP[5:])
    assert len(shell.json("ip", "list", "--account", "1")["sending_ips"]) == 1
    shell.json("ip", "remove", "127.0.0.2")
    assert "does not exist" in shell.refused("ip", "remove", "127.0.0.2")
    assert shell.json("ip", "list") == {"sending_ips": []}


def test_a_refused_ip_leaves_no_new_pool_behind(shell: Shell) -> None:
    shell.json(*ADD_IP)
    shell.refused(*ADD_IP, "--pool", "new")
    assert "not found" in shell.refused("ip", "move", "127.0.0.2", "--pool", "new")


def test_a_domain_is_added_and_verified_by_live_dns(shell: Shell) -> None:
    added = shell.json("domain", "add", "kirim.example", "--account", "1")
    record = added["records"][0]
    assert record["required"]
    assert not any(other["required"] for other in added["records"][1:])
    assert not added["may_send"]
    with DnsServer() as server:
        shell.environment["MERPATI_DNS__SERVERS"] = server.address
        failed = shell("domain", "verify", "kirim.example")
        assert failed.returncode == 1
        assert f"wanted  {record['value']}" in failed.stdout
        assert "found   nothing" in failed.stdout
        server.add_txt(record["name"], record["value"])
        passed = shell.json("domain", "verify", "Kirim.Example")
    assert passed["may_send"]
    assert passed["dkim_check"]["found"] == [record["value"]]
    listed = shell("domain", "list")
    assert record["zone_line"] in listed.stdout
    assert shell.json("domain", "list")["domains"][0]["dkim_status"] == "valid"
    assert "does not exist" in shell.refused("domain", "verify", "other.example")
    key = shell.data / "control.sqlite3"
    assert b"PRIVATE KEY" not in key.read_bytes()


def test_the_operator_may_answer_for_a_domain(shell: Shell) -> None:
    added = shell.json("domain", "add", "a.example", "--account", "1", "--assume-verified")
    assert added["may_send"]


def test_a_key_is_rotated_and_removed(shell: Shell) -> None:
    shell.json("domain", "add", "kirim.example", "--account", "1", "--assume-verified")
    old = shell.json("domain", "keys", "kirim.example")["dkim_keys"][0]
    assert (old["state"], old["removable_at"]) == ("active", None)
    new = shell.json("domain", "rotate", "kirim.example")
    assert (new["state"], new["selector"]) == ("new", f"{old['selector']}-2")
    assert new["name"] == f"{new['selector']}._domainkey.kirim.example"
    assert "waits for its DNS record already" in shell.refused("domain", "rotate", "kirim.example")
    with DnsServer() as server:
        shell.environment["MERPATI_DNS__SERVERS"] = server.address
        server.add_txt(new["name"], new["value"])  # and the old record is gone
        assert shell.json("domain", "verify", "kirim.example")["dkim_check"]["name"] == new["name"]
    listed = shell("domain", "keys", "kirim.example")
    assert new["zone_line"] in listed.stdout
    assert "signs no more; keep this record until it is removable" in listed.stdout
    remove = ("domain", "remove-key", "kirim.example", old["selector"])
    assert "may be on its way until" in shell.refused(*remove)
    assert shell.json(*remove, "--force") == {"removed": old["selector"]}
    assert "signs this domain's mail" in shell.refused(*remove[:3], new["selector"], "--force")


def test_a_domain_is_removed_when_one_is_sure(shell: Shell) -> None:
    shell.json("domain", "add", "kirim.example", "--account", "1")
    assert "give --yes" in shell.refused("domain", "remove", "kirim.example", code=2)
    shell.json("domain", "remove", "kirim.example", "--yes")
    assert shell.json("domain", "list")["domains"] == []


def test_an_account_is_changed_suspended_resumed_and_closed(shell: Shell) -> None:
    changed = shell.json("account", "set", "1", "--retry-seconds", "60")
    assert (changed["retry_seconds"], changed["state"]) == (60, "active")
    assert "Nothing to set" in shell.refused("account", "set", "1", code=2)
    assert "must be 1 to" in shell.refused("account", "set", "1", "--expire-seconds", "-5")
    held = shell.json("account", "suspend", "Toko Kirim", "--reason", "invoice 42 is unpaid")
    assert (held["state"], held["suspension_reason"]) == ("suspended", "invoice 42 is unpaid")
    policy = published_policy(shell.data)
    assert policy is not None
    assert (policy.accounts[0].suspended, policy.accounts[0].retry_seconds) == (
        *("invoice 42 is unpaid", 60),
    )
    assert shell.json("account", "resume", "1")["state"] == "active"
    assert "give --yes" in shell.refused("account", "close", "1", code=2)
    assert shell.json("account", "close", "1", "--yes")["state"] == "closed"
    assert shell.json("account", "list")["accounts"][0]["state"] == "closed"
    assert "is closed" in shell.refused("account", "resume", "1")


def test_an_old_provider_is_added_checked_and_removed(shell: Shell) -> None:
    password = shell.data.parent / "old.password"
    password.write_text("rahasia\n")
    added = shell.json(
        *("egress", "add", "Toko Kirim", "old", "127.0.0.1:9", "--tls", "none"),
        *("--user", "kirim", "--password-file", str(password)),
    )
    assert (added["target"], added["user"], added["password"]) == ("127.0.0.1:9", "kirim", "set")
    assert shell.json("egress", "list", "1") == {"egresses": [added]}
    found = shell.json("egress", "check", "1", "old", code=1)
    assert (found["ok"], found["stage"]) == (False, "address")
    assert "already" in shell.refused("egress", "add", "1", "old", "127.0.0.1:9")
    assert "no egress new" in shell.refused("egress", "check", "1", "new")
    assert "rahasia" not in shell("egress", "list", "1").stdout
    change = ("egress", "change", "1", "old")
    changed = shell.json(*change, "--rate", "600/min")
    assert changed == added | {"messages_per_minute": 600}
    assert "give the password again" in shell.refused(*change, "--target", "127.0.0.2:9")
    free = shell.json(*change, "--target", "127.0.0.2:9", "--no-login")
    assert (free["target"], free["user"], free["tls"]) == ("127.0.0.2:9", None, "opportunistic")
    shell.json("egress", "remove", "1", "old")
    assert shell.json("egress", "list", "1") == {"egresses": []}


def test_a_migration_is_planned_begun_and_rolled_back(shell: Shell) -> None:
    traffic = shell.data.parent / "traffic.csv"
    traffic.write_text("stream,provider,messages_per_day\nnews,gmail.com,900\nnews,other,-1\n")
    refused = shell.refused("migration", "create", "1", "Move", str(traffic), "--egress", "old")
    assert "line 3, messages_per_day: -1 is below zero" in refused
    traffic.write_text("stream,provider,messages_per_day\nnews,gmail.com,900\n")
    plan = json.loads(CliRunner().invoke(migration, ["plan", str(traffic), "--json"]).stdout)
    assert [pool["ips"] for pool in plan["pools"]] == [1]
    assert plan["providers"][0]["days"][-1]["old"] == 0
    shell.json("egress", "add", "1", "old", "smtp.old.example:587")
    shell.json(*ADD_IP)
    made = shell.json("migration", "create", "1", "Move", str(traffic), "--egress", "old")
    assert (made["id"], made["state"]) == (1, "draft")
    later = (date.fromisoformat(made["starts_on"]) + timedelta(days=7)).isoformat()
    change = ("migration", "change", "1", "--starts-on", later, "--on-spent", "wait")
    assert shell.json(*change) == made | {"starts_on": later, "on_spent": "wait"}
    assert "no migration 9" in shell.refused("migration", "change", "9")
    made = shell.json("migration", "change", "1", str(traffic), "--starts-on", made["starts_on"])
    assert made["on_spent"] == "wait"
    assert "BEGIN:VEVENT" in shell("migration", "calendar", "1").stdout
    providers = shell.data.parent / "providers.toml"
    providers.write_text(example())
    played = ("--providers", str(providers), "--days", "1")
    assert "no migration 9" in shell.refused("rehearse", "9", *played)
    result = shell.json("rehearse", "1", *played)
    assert (result["plan"], result["starts_on"]) == ("Move", made["starts_on"])
    assert result["streams"][0]["days"][0]["wanted"] == 900
    begun = shell("migration", "start", "1", "--json")
    assert json.loads(begun.stdout)["state"] == "running"
    assert "draft" in shell.refused("migration", "change", "1", "--name", "Late")
    assert "Mail waits for steps that are open: ptr." in begun.stderr
    assert shell.json("migration", "check-ptr", "1", code=1)["sending_ips"][0]["verdict"] == (
        "not_public"
    )
    tick = ("migration", "tick", "1", "ptr")
    done = {step["key"]: step for step in shell.json(*tick, "--note", "by hand")["steps"]}
    assert done["ptr"]["note"] == "by hand"
    assert "OPEN, mail waits for it" in shell(*tick, "--open").stdout
    assert "is no step of this plan" in shell.refused("migration", "tick", "1", "prt")
    assert "migration cut-over" in shell.refused("egress", "remove", "1", "old")
    override = ("migration", "override", "1", "--provider", "google", "--reason", "why")
    assert "one of" in shell.refused(*override, code=2)
    assert "12,5" in shell.refused(*override, "--share", "12,5", code=2)
    (cell,) = shell.json(*override, "--share", "12.5%")["providers"]
    assert cell["share_percent"] == 12.5
    (shown,) = shell.json("migration", "show", "1")["providers"]
    assert shown["share_percent"] == 12.5
    assert "why" in shown["reason"]
    assert shell.json("migration", "report", "1", code=1)["ready"] is False
    assert "not all" in shell.refused("migration", "cut-over", "1").lower()
    assert shell.json("migration", "pause", "1", "--reason", "sale")["reason"] == "sale"
    shell.json("migration", "resume", "1")
    rolled_back = shell.json("migration", "roll-back", "1", "--reason", "we stay")
    assert rolled_back["state"] == "rolled_back"
    (listed,) = shell.json("migration", "list")["migrations"]
    assert listed["state"] == "rolled_back"
    assert "no migration 9" in shell.refused("migration", "show", "9")


def test_routes_are_added_listed_and_removed(shell: Shell) -> None:
    added = shell.json(
        *("route", "add", "*.Corp.example", "[::1]:25", "--connections", "4", "--rate", "300/min")
    )
    assert added == {
        "pattern": "*.corp.example",
        "target": "[::1]:25",
        "connections": 4,
        "messages_per_minute": 300,
        "tls": "opportunistic",
        "user": None,
        "password": None,
        "signed": True,
    }
    assert "300/min" in shell.refused("route", "add", "*", "127.0.0.1:25", "--rate", "fast")
    assert shell.json("route", "list") == {"routes": [added]}
    shell.json("route", "remove", "*.corp.example")
    assert "no route for" in shell.refused("route", "remove", "*.corp.example")
    assert shell.json("route", "list") == {"routes": []}
    assert shell.json("route", "add", "*", "127.0.0.1:25", "--unsigned")["signed"] is False
    policy = published_policy(shell.data)
    assert policy is not None
    assert [route.is_signed for route in policy.routes] == [False]


def test_a_smart_hosts_password_is_sealed_and_never_shown(shell: Shell, tmp_path: Path) -> None:
    secret = tmp_path / "relay.password"
    secret.write_text("correct horse\nnot this\n")
    login = ("--user", "kirim", "--password-file", str(secret))
    added = shell.json("route", "add", "*", "smtp.relay.example:587", *login)
    assert (added["tls"], added["user"], added["password"]) == ("verify", "kirim", "set")
    assert "correct horse" not in shell("route", "list").stdout
    policy = published_policy(shell.data)
    assert policy is not None
    (route,) = policy.routes
    assert SecretBox(shell.data / "secret.key").decrypt(route.password) == b"correct horse"
    for file in (*shell.data.glob("control.sqlite3*"), shell.data / "policy.msgpack"):
        assert b"correct horse" not in file.read_bytes()
    plain = ("--tls", "none", *login)
    refused = shell.refused("route", "add", "a.example", "relay.example:25", *plain)
    assert "in the clear" in refused
    assert shell.json("route", "add", "a.example", "127.0.0.1:25", *plain)
    shell.refused("route", "add", "b.example", "relay.example:25", "--user", "kirim", code=2)
    assert "--user" in shell.refused("route", "add", "b.example", "relay.example:25", *login[2:])
    added = shell.json("route", "add", "*", "smtp.relay.example:25", "--replace")
    assert (added["tls"], added["user"], added["password"]) == ("opportunistic", None, None)


def test_the_audit_trail_names_who_gave_the_command(shell: Shell) -> None:
    import getpass  # noqa: PLC0415
    import sqlite3  # noqa: PLC0415

    shell.json(*ADD_IP)
    database = sqlite3.connect(shell.data / "control.sqlite3")
    trail = database.execute("SELECT actor, action, subject FROM accounts_auditentry").fetchall()
    database.close()
    assert trail[-1] == (f"cli:{getpass.getuser()}", "add_sending_ip", "127.0.0.2")


@pytest.mark.parametrize("what", ["account", "key", "ip", "domain", "route"])
def test_an_empty_list_says_how_to_make_one(tmp_path: Path, what: str) -> None:
    shell = Shell(prepared(tmp_path / "data"))
    done = shell(what, "list")
    assert done.returncode == 0
    assert f"merpati {what} {'create' if what in ('account', 'key') else 'add'}" in done.stdout


def test_a_wrong_host_name_is_named_as_such(shell: Shell) -> None:
    said = shell.refused(*ADD_IP[:-1], "bad name")
    assert said.startswith("Error: hostname: 'bad name' is not a full host name")
