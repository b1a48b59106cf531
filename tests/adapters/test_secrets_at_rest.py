from __future__ import annotations

import base64
import concurrent.futures
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from merpati.adapters.crypto import SecretBox, SecretBoxError, make_rsa_key
from merpati.adapters.secret_key import ensure_secret_key


def test_what_was_sealed_opens_again_also_in_another_process(tmp_path: Path) -> None:
    sealed = SecretBox(tmp_path / "secret.key").encrypt(b"a private key")
    assert b"private" not in sealed
    assert SecretBox(tmp_path / "secret.key").decrypt(sealed) == b"a private key"


def test_only_the_owner_may_read_the_key_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        SecretBox(tmp_path / "secret.key")
    finally:
        os.umask(before)
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_all_who_start_at_once_get_one_key(tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(ensure_secret_key, [tmp_path / "secret.key"] * 64))
    assert len({tuple(key) for key in keys}) == 1


def test_a_foreign_or_changed_text_is_refused(tmp_path: Path) -> None:
    box, other = SecretBox(tmp_path / "a"), SecretBox(tmp_path / "b")
    sealed = box.encrypt(b"secret")
    with pytest.raises(SecretBoxError):
        other.decrypt(sealed)
    with pytest.raises(SecretBoxError):
        box.decrypt(sealed[:-2] + (b"AA" if sealed[-2:] != b"AA" else b"BB"))


def test_a_key_put_first_seals_and_the_older_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    old = SecretBox(path)
    sealed, label = old.encrypt(b"secret"), old.derive("return path")
    path.write_bytes(base64.urlsafe_b64encode(b"n" * 32) + b"\n" + path.read_bytes())
    new = SecretBox(path)
    assert new.decrypt(sealed) == b"secret"
    assert new.derive("return path") == label  # signed addresses are out in the world
    with pytest.raises(SecretBoxError):
        old.decrypt(new.encrypt(b"secret"))


def test_each_purpose_has_its_own_key(tmp_path: Path) -> None:
    box = SecretBox(tmp_path / "secret.key")
    assert len(box.derive("a")) == 32
    assert box.derive("a") != box.derive("b")


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(ValueError, match="restore it from your backup"):
        SecretBox(tmp_path / "secret.key")


def test_nothing_secret_is_shown_when_printed(tmp_path: Path) -> None:
    key = make_rsa_key()
    box = SecretBox(tmp_path / "secret.key")
    assert "PRIVATE" not in repr(key)
    assert (tmp_path / "secret.key").read_text().strip() not in repr(box)


def test_a_new_pair_belongs_together_and_has_2048_bits() -> None:
    pair = make_rsa_key()
    private = load_pem_private_key(pair.private_pem, None)
    public = load_der_public_key(base64.b64decode(pair.public))
    assert private.public_key() == public
    assert public.key_size == 2048  # type: ignore[union-attr]
