"""What the delivery workers read of the suppression list, without Django."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.contracts.suppressions import SuppressionsUnreadable
from merpati.control.place import SqlitePlace
from merpati.sending.models import SuppressionType
from merpati.sending.suppression_lookup import SuppressionReader, kind_of
from tests.support.control import run_script

FILL = """
from tests.support.control import make_account
from merpati.control.place import SqlitePlace
from merpati.sending.models import SuppressionSource, SuppressionType
from merpati.sending.suppression import suppress
account = make_account("Kirim")
for address, kind, source, list_id in [
    ("Sari@X.example ", SuppressionType.TRANSACTIONAL, SuppressionSource.COMPLIANCE, ""),
    ("ani@x.example", SuppressionType.NON_TRANSACTIONAL, SuppressionSource.BOUNCE_RULE, ""),
    ("budi@x.example", SuppressionType.TRANSACTIONAL, SuppressionSource.BOUNCE_RULE, "news.x"),
]:
    suppress(account.pk, address, [kind], source, by=BY, now=NOW, list_id=list_id)
print(account.pk)
"""


def test_the_reader_finds_what_the_service_stored(tmp_path: Path) -> None:
    reader = SuppressionReader(SqlitePlace(tmp_path / "control.sqlite3"))
    with pytest.raises(SuppressionsUnreadable, match="unable to open"):
        reader.among(1, ["ani@x.example"], True)
    account_id = int(run_script(tmp_path, FILL))
    addresses = ["SARI@x.example", "ani@x.example", "budi@x.example"]
    assert reader.among(account_id, addresses, True) == {"SARI@x.example": "Compliance"}
    assert reader.among(account_id, addresses, False) == {"ani@x.example": "Bounce Rule"}
    assert reader.among(account_id + 1, addresses, True) == {}
    run_script(tmp_path, FILL.replace("Kirim", "Surat").replace("ani@", "later@"))
    assert reader.among(account_id + 1, ["later@x.example"], False)  # what is new is seen
    reader.close()


def test_kinds_of_mail_are_the_models() -> None:
    assert [kind_of(True), kind_of(False)] == SuppressionType.values
