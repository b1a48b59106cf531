"""The certificate authority and certificate made at first start."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from merpati.runtime.tls import TlsError, ensure_certificate
from merpati.settings import TlsSettings

NOW = datetime(2026, 11, 22, tzinfo=UTC)
OURS = TlsSettings()


def handshake(chain: ssl.SSLContext, authority: Path, name: str) -> None:
    """Shake hands in memory as a client that trusts `authority` and asks for `name`."""
    client_context = ssl.create_default_context(cafile=str(authority))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = chain.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "mta.example"])
def test_a_client_that_trusts_our_authority_accepts_us(tmp_path: Path, name: str) -> None:
    now = datetime.now(UTC)  # the client looks at the real clock
    certificate = ensure_certificate(tmp_path, OURS, ["mta.example", "127.0.0.1"], now)
    handshake(certificate.context(), tmp_path / "ca.pem", name)


def test_a_name_we_do_not_have_is_refused(tmp_path: Path) -> None:
    certificate = ensure_certificate(tmp_path, OURS, ["mta.example"], datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"):
        handshake(certificate.context(), tmp_path / "ca.pem", "other.example")


def test_keys_are_private(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, OURS, [], NOW)
    for name in ("ca.key", "key.pem"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_good_certificate_stays(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, OURS, ["mta.example"], NOW)
    before = contents(tmp_path)
    ensure_certificate(tmp_path, OURS, ["mta.example"], NOW + timedelta(days=300))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("names", "later"),
    [
        pytest.param(["mta.example"], timedelta(days=350), id="near its end"),
        pytest.param(["mta.example", "new.example"], timedelta(0), id="a name more"),
    ],
)
def test_a_certificate_is_renewed_under_the_same_authority(
    tmp_path: Path, names: list[str], later: timedelta
) -> None:
    ensure_certificate(tmp_path, OURS, ["mta.example"], NOW)
    before = contents(tmp_path)
    ensure_certificate(tmp_path, OURS, names, NOW + later)
    after = contents(tmp_path)
    assert after["cert.pem"] != before["cert.pem"]
    assert after["ca.pem"] == before["ca.pem"]


def test_a_damaged_key_is_replaced_with_its_certificate(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, OURS, [], NOW)
    (tmp_path / "key.pem").write_text("")
    ensure_certificate(tmp_path, OURS, [], NOW).context()


def test_the_operators_certificate_is_used_and_left_alone(tmp_path: Path) -> None:
    made = ensure_certificate(tmp_path, OURS, [], NOW)
    own = tmp_path / "own"
    own.mkdir()
    settings = TlsSettings(certificate=str(made.chain), key=str(made.key))
    # Years later: it is expired, and still not ours to replace.
    certificate = ensure_certificate(own, settings, ["new.example"], NOW + timedelta(days=2000))
    assert certificate.chain == made.chain
    assert contents(own) == {}


def test_an_operators_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = TlsSettings(certificate=str(tmp_path / "gone.pem"))
    with pytest.raises(TlsError, match=r"tls\.certificate .*gone\.pem"):
        ensure_certificate(tmp_path, settings, [], NOW)
