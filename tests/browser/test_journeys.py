"""What people do in the console, with scripts and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Console


def test_a_case_is_opened_and_answered_without_scripts(console: Console, tmp_path: Path) -> None:
    page = console.open("/", "owner", "id", has_scripts=False)
    page.get_by_role("link", name="Buka kasus").click()
    page.get_by_label("Masalah platform").check()
    page.get_by_label("Judul").fill("Email ke Penerima lambat")
    page.get_by_label("Apa yang terjadi").fill("Sejak pagi ini.")
    page.get_by_text("Selengkapnya").click()
    page.get_by_label("Nama hal 1").fill("kirim.example")
    page.get_by_role("button", name="Kirim").click()
    assert page.get_by_role("heading", level=1).inner_text().endswith("Email ke Penerima lambat")
    assert "Kami menjawab" in page.get_by_role("status").first.inner_text()
    log = tmp_path / "jawaban.txt"
    log.write_text("451 4.7.1")
    page.get_by_label("Balasan Anda").fill("Terlampir.")
    page.get_by_label("Berkas").set_input_files(log)
    page.get_by_role("button", name="Kirim balasan").click()
    entry = page.locator(".entry").last
    assert "Terlampir." in entry.inner_text()
    with page.expect_download() as download:
        entry.get_by_role("link", name="jawaban.txt").click()
    assert download.value.path().read_text() == "451 4.7.1"
    page.close()


def test_a_proposal_is_disputed_and_the_next_agreed_without_scripts(console: Console) -> None:
    page = console.open("/cases/{disputed_on}", "owner", "en", has_scripts=False)
    page.get_by_label("What is still open?").fill("It still waits.")
    page.get_by_role("button", name="Dispute").click()
    assert "the case goes on" in page.get_by_role("status").first.inner_text()
    assert "It still waits." in page.locator(".entry").last.inner_text()
    page.goto(console.url("/cases/{agreed_on}"))
    page.get_by_role("button", name="Agree").click()
    page.get_by_role("link", name="Resolution record").click()
    assert page.get_by_text("Public key").is_visible()
    page.close()


def test_a_contact_answers_by_a_link_without_password(console: Console) -> None:
    page = console.open("/c/{link}", "", "id", has_scripts=False)
    page.get_by_label("Balasan Anda").fill("Lewat tautan.")
    page.get_by_role("button", name="Kirim balasan").click()
    assert "Lewat tautan." in page.locator(".entry").last.inner_text()
    page.close()


def test_theme_and_language_switch_without_scripts(console: Console) -> None:
    page = console.open("/calendar/uk", "", "en", has_scripts=False)
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Bahasa Indonesia").click()
    assert page.locator("html").get_attribute("lang") == "id"
    assert page.url.endswith("/calendar/uk")
    page.context.clear_cookies()
    page.close()


def test_keys_lead_to_search_list_and_palette(console: Console) -> None:
    page = console.open("/", "owner", "en")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("?")  # typed into the field
    assert not page.locator("dialog#shortcuts").is_visible()
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("?")
    assert page.locator("dialog#shortcuts").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("penerima")
    found = page.locator("#palette-found").get_by_role("link", name="Mail to Penerima waits")
    found.wait_for()
    found.click()
    page.wait_for_url(console.url("/cases/{busy}"))
    page.close()


def test_copying_is_said_to_who_listens(console: Console) -> None:
    page = console.open("/cases/{busy}", "owner", "en")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy number").click()
    page.locator("#announcer", has_text="Copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == console.url("{busy}").removeprefix(console.address)
    page.close()


@pytest.mark.parametrize("path", ["/", "/cases", "/cases/{busy}", "/cases/new"])
def test_the_first_key_skips_to_the_content(console: Console, path: str) -> None:
    page = console.open(path, "owner", "en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.close()


def test_the_record_prints_on_white_without_the_frame(console: Console) -> None:
    page = console.open("/cases/{resolved}/record", "owner", "en")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("header.top").is_visible()
    assert not page.locator("footer.bottom").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()
