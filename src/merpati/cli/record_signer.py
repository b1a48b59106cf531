"""The instance's key for signed records, as the commands get at it."""

from __future__ import annotations

from pathlib import Path

from merpati.adapters.crypto import SecretBox
from merpati.adapters.record_signing import LABEL, RecordSigner
from merpati.runtime.paths import DataFolder


def record_signer(data: Path) -> RecordSigner:
    """Return the signer of a data folder that is set up."""
    return RecordSigner(SecretBox(DataFolder(data).secret_key).derive(LABEL))
