"""Files of a case: limits on size and number, kept once, given back as downloads only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merpati.desk import attachments, case_actions
from merpati.desk.attachments import FILE_BYTES, FILES, MESSAGE_BYTES, NewFile, clean_name
from merpati.desk.case_errors import AttachmentNotFound, InvalidCase
from merpati.desk.models import CaseAttachment, CaseUpdate
from tests.desk.cases import MONDAY, SARI, Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(tmp_path: Path, settings: Any) -> Desk:
    settings.DATA_DIR = tmp_path
    return Desk(tmp_path)


def test_files_come_with_a_message_and_with_an_opening(desk: Desk) -> None:
    case = desk.opens(files=[NewFile("log.txt", b"1")])
    log = NewFile("C:\\tmp\\log.txt", b"2", "text/plain; charset=utf-8")
    case_actions.write(case.pk, "Here.", [log], by=desk.sari, now=MONDAY)
    first, second = CaseAttachment.objects.order_by("pk")
    assert (first.update.kind, second.update.kind) == (CaseUpdate.OPENED, "message")
    assert (second.name, second.type, second.size_bytes) == ("log.txt", "text/plain", 1)
    assert [attachments.content(each) for each in (first, second)] == [b"1", b"2"]


def test_the_customer_gets_no_file_of_an_internal_note(desk: Desk) -> None:
    case = desk.opens()
    case_actions.note(case.pk, "Mind.", [NewFile("n.txt", b"n")], by=desk.budi, now=MONDAY)
    found = CaseAttachment.objects.get()
    assert attachments.attachment_of(case, found.pk, for_customer=False) == found
    with pytest.raises(AttachmentNotFound):
        attachments.attachment_of(case, found.pk, for_customer=True)
    other = desk.opens(contact=SARI)
    with pytest.raises(AttachmentNotFound):
        attachments.attachment_of(other, found.pk, for_customer=False)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param([NewFile("a", b"a")] * (FILES + 1), "at most 20 files", id="too many"),
        pytest.param([NewFile("a.bin", bytes(FILE_BYTES + 1))], "'a.bin' has 10 MB", id="large"),
        pytest.param([NewFile("a", bytes(FILE_BYTES))] * 2, "at most 15 MB", id="together"),
        pytest.param([NewFile("a", b"a"), NewFile("b", b"")], "'b' has 0 MB", id="empty"),
    ],
)
def test_what_is_above_a_limit_is_refused_and_changes_nothing(
    desk: Desk, files: list[NewFile], reason: str, tmp_path: Path
) -> None:
    case = desk.opens()
    with pytest.raises(InvalidCase, match=reason) as refused:
        case_actions.write(case.pk, "Here.", files, by=desk.sari, now=MONDAY)
    assert refused.value.field == "files"
    assert case.updates.count() == 1
    assert not (tmp_path / "files").exists()


def test_the_limits_themselves_are_taken(desk: Desk) -> None:
    case = desk.opens()
    largest = [NewFile("a", bytes(FILE_BYTES)), NewFile("b", bytes(MESSAGE_BYTES - FILE_BYTES))]
    case_actions.write(case.pk, "Here.", largest, by=desk.sari, now=MONDAY)
    most = [NewFile(str(n), b"n") for n in range(FILES)]
    case_actions.write(case.pk, "And.", most, by=desk.sari, now=MONDAY)
    assert CaseAttachment.objects.count() == FILES + 2


def test_what_is_the_same_is_on_disk_once(desk: Desk, tmp_path: Path) -> None:
    desk.opens(files=[NewFile("a.txt", b"same"), NewFile("b.txt", b"same")])
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1


def test_a_download_never_runs_as_a_page_of_ours() -> None:
    headers = attachments.download_headers('Faktur "März"; x.html')
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == (
        'attachment; filename="Faktur _M_rz_; x.html";'
        " filename*=UTF-8''Faktur%20%22M%C3%A4rz%22%3B%20x.html"
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.txt", "b.txt"),
        ("a\r\nX: y.txt", "a X: y.txt"),
        ("invoice\u202etxt.exe", "invoice txt.exe"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300 + ".pdf", "x" * 146 + ".pdf"),
    ],
)
def test_names_lose_folders_and_controls(given: str, kept: str) -> None:
    assert clean_name(given) == kept
