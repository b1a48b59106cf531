from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from merpati.accounts.models import AuditEntry
from merpati.adapters.crypto import SecretBox
from merpati.sandbox.dns_server import DnsServer
from merpati.sending.dns_records import check_dkim, dkim_name, dkim_value, dns_records
from merpati.sending.domains import (
    add_domain,
    domains_of,
    find_domain,
    remove_domain,
    verify_domain,
)
from merpati.sending.errors import (
    DnsLookupFailed,
    DomainExists,
    DomainNotFound,
    DomainOfAnotherAccount,
    InvalidValue,
)
from merpati.sending.live_dns import txt_lookup
from merpati.sending.models import DkimKey, SendingDomain
from merpati.sending.policy import current_version
from tests.support.control import BY, NOW, everything_stored, make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox(tmp_path / "secret.key")


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def domain(box: SecretBox) -> SendingDomain:
    return add_domain(make_account().pk, "Kirim.Example.", box=box, by=BY, now=NOW)


def test_a_domain_has_its_own_key_pair_sealed_and_nowhere_in_clear(
    domain: SendingDomain, box: SecretBox
) -> None:
    pem = box.decrypt(bytes(domain.default_key.private_key))
    public = load_der_public_key(base64.b64decode(domain.default_key.public_key))
    assert load_pem_private_key(pem, None).public_key() == public
    dump = everything_stored()
    assert domain.default_key.public_key in dump
    body = pem.split(b"\n")[2]
    for secret in (b"PRIVATE KEY", body):
        assert secret.decode() not in dump
        assert secret.hex() not in dump


def test_a_new_domain_may_not_send_before_it_is_verified(domain: SendingDomain) -> None:
    assert domain.domain == "kirim.example"
    assert domain.default_key.selector == "mp0226"
    assert (domain.verified_at, domain.dkim_status) == (None, "unverified")


def test_the_operator_may_answer_for_a_domain(box: SecretBox) -> None:
    added = add_domain(
        make_account().pk, "a.example", box=box, assume_verified=True, by=BY, now=NOW
    )
    assert added.verified_at == NOW
    assert added.dkim_status == "unverified"  # nobody has looked
    assert AuditEntry.objects.latest("pk").detail["assume_verified"] is True


def test_a_domain_belongs_to_one_account(domain: SendingDomain, box: SecretBox) -> None:
    with pytest.raises(DomainExists, match="already a sending domain of this account"):
        add_domain(domain.account_id, "KIRIM.example", box=box, by=BY, now=NOW)
    stranger = make_account()
    with pytest.raises(DomainOfAnotherAccount, match="used by another account"):
        add_domain(stranger.pk, "kirim.example", box=box, by=BY, now=NOW)
    with pytest.raises(DomainNotFound, match=r"^Domain 'kirim\.example' does not exist$"):
        find_domain(stranger.pk, "kirim.example")
    with pytest.raises(DomainNotFound):
        verify_domain(stranger.pk, "kirim.example", lambda _: [], by=BY, now=NOW)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("EXAMPLE.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_a_domain_is_stored_in_one_spelling(text: str, stored: str, box: SecretBox) -> None:
    assert add_domain(make_account().pk, text, box=box, by=BY, now=NOW).domain == stored


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example", r"^Error domain name contains no '\.'\(s\) for domain: 'example'$"),
        ("", r"no '\.'"),
        ("a..example", "not a domain name"),
        ("a b.example", "not a domain name"),
        ("192.0.2.1", "not a domain name"),
        ("a.example/x", "not a domain name"),
        ("a\n.example", "not a domain name"),
        (f"{'a' * 64}.example", "not a domain name"),
        (f"{'a.' * 130}example", "not a domain name"),
        ("straße.example", "xn--"),
    ],
)
def test_what_is_no_domain_is_refused(text: str, words: str, box: SecretBox) -> None:
    with pytest.raises(InvalidValue, match=words) as refused:
        add_domain(make_account().pk, text, box=box, by=BY, now=NOW)
    assert refused.value.field == "domain"


def test_the_records_to_publish(domain: SendingDomain) -> None:
    records = dns_records(domain, "bounces.merpati.example", ["192.0.2.1", "192.0.2.2"])
    assert [(r.name, r.type, r.is_required) for r in records] == [
        ("mp0226._domainkey.kirim.example", "TXT", True),
        ("_dmarc.kirim.example", "TXT", False),
        ("bounces.kirim.example", "CNAME", False),
        ("kirim.example", "TXT", False),
    ]
    assert records[0].value == f"v=DKIM1; k=rsa; h=sha256; p={domain.default_key.public_key}"
    assert records[2].zone_line == "bounces.kirim.example. IN CNAME bounces.merpati.example."
    assert records[3].value == "v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 ~all"


def test_a_long_value_is_split_into_strings_that_dns_can_hold(domain: SendingDomain) -> None:
    record = dns_records(domain, "bounces.merpati.example", [])[0]
    strings = record.zone_line.split('"')[1::2]
    assert [len(text) for text in strings] == [255, len(record.value) - 255]
    assert "".join(strings) == record.value


def test_a_published_key_verifies_the_domain(domain: SendingDomain, dns_server: DnsServer) -> None:
    dns_server.add_txt(dkim_name(domain.default_key), dkim_value(domain.default_key))
    check = verify(domain, dns_server)
    assert check.is_valid
    assert check.found == (check.wanted,)
    assert dns_server.asked[0] == ("mp0226._domainkey.kirim.example", "TXT")
    found = find_domain(domain.account_id, "kirim.example")
    assert (found.dkim_status, found.verified_at, found.checked_at) == ("valid", NOW, NOW)


def test_an_absent_record_fails_and_says_what_to_publish(
    domain: SendingDomain, dns_server: DnsServer
) -> None:
    check = verify(domain, dns_server)
    assert (check.is_valid, check.found) == (False, ())
    assert check.wanted == dkim_value(domain.default_key)
    assert "publish the wanted value" in check.reason
    assert find_domain(domain.account_id, "kirim.example").dkim_status == "invalid"


def test_a_name_with_other_records_has_no_key(domain: SendingDomain, dns_server: DnsServer) -> None:
    dns_server.add(dkim_name(domain.default_key), "A", "192.0.2.1")
    assert verify(domain, dns_server).found == ()


def test_a_verified_domain_whose_key_is_gone_may_no_longer_send(
    domain: SendingDomain, dns_server: DnsServer
) -> None:
    dns_server.add_txt(dkim_name(domain.default_key), dkim_value(domain.default_key))
    verify(domain, dns_server)
    dns_server.remove(dkim_name(domain.default_key))
    verify(domain, dns_server)
    assert find_domain(domain.account_id, "kirim.example").verified_at is None


def test_dns_that_cannot_be_asked_changes_nothing(
    domain: SendingDomain, dns_server: DnsServer
) -> None:
    dns_server.add_txt(dkim_name(domain.default_key), dkim_value(domain.default_key))
    verify(domain, dns_server)
    before = (current_version(), AuditEntry.objects.count())
    dns_server.broken.add(dkim_name(domain.default_key))
    with pytest.raises(DnsLookupFailed, match="could not be asked"):
        verify(domain, dns_server)
    assert find_domain(domain.account_id, "kirim.example").verified_at == NOW
    assert (current_version(), AuditEntry.objects.count()) == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda v: v, "", id="as wanted"),
        pytest.param(lambda v: v.replace("v=DKIM1; ", ""), "", id="v is optional"),
        pytest.param(lambda v: v.replace("k=rsa; h=sha256; ", ""), "", id="k and h too"),
        pytest.param(lambda v: v.replace("sha256", "sha1:sha256"), "", id="more hashes"),
        pytest.param(lambda v: v.replace("; ", ";") + ";", "", id="no spaces, final semicolon"),
        pytest.param(lambda v: v[:100] + " " + v[100:], "", id="space inside the key"),
        pytest.param(lambda v: v.replace("DKIM1", "DKIM2"), "version", id="other version"),
        pytest.param(lambda v: v.replace("rsa", "ed25519"), "key type", id="other key type"),
        pytest.param(lambda v: v.replace("sha256", "sha1"), "sha256", id="sha1 alone"),
        pytest.param(lambda v: v[: v.index("p=") + 2], "revokes", id="revoked"),
        pytest.param(lambda v: v[:250], "cut off", id="cut off"),
        pytest.param(lambda v: v.replace("p=MIIB", "p=MIIC"), "another one", id="another key"),
        pytest.param(lambda v: "v=spf1 -all", "no DKIM record", id="not DKIM"),
    ],
)
def test_what_is_published_passes_or_the_reason_is_named(
    domain: SendingDomain, change: object, reason: str
) -> None:
    check = check_dkim(domain.default_key, [change(dkim_value(domain.default_key))])  # type: ignore[operator]
    assert check.is_valid is not bool(reason)
    assert reason in check.reason


def test_two_keys_at_one_name_do_not_pass(domain: SendingDomain) -> None:
    value = dkim_value(domain.default_key)
    check = check_dkim(domain.default_key, ["v=DKIM1; p=other", value])
    assert "2 DKIM records" in check.reason
    assert check_dkim(domain.default_key, ["some note", value]).is_valid


def test_a_list_of_domains_reads_no_private_key(
    domain: SendingDomain, django_assert_num_queries
) -> None:
    with django_assert_num_queries(2) as queries:
        (found,) = domains_of(domain.account_id)
        assert (found.domain, found.default_key.selector) == ("kirim.example", "mp0226")
    assert not any("private_key" in query["sql"] for query in queries)


def test_a_removed_domain_takes_its_keys_along(domain: SendingDomain) -> None:
    before = current_version()
    remove_domain(domain.account_id, "Kirim.Example", by=BY, now=NOW)
    assert not DkimKey.objects.exists()
    assert current_version() > before
    assert AuditEntry.objects.latest("pk").action == "remove_domain"
    with pytest.raises(DomainNotFound):
        remove_domain(domain.account_id, "kirim.example", by=BY, now=NOW)


def verify(domain: SendingDomain, server: DnsServer):
    lookup = txt_lookup([server.address])
    return verify_domain(domain.account_id, domain.domain, lookup, by=BY, now=NOW)
