"""What scripts add to the desk: keys that can be turned off, drafts kept while one types."""

from __future__ import annotations

from tests.browser.conftest import Console


def test_keys_lead_to_the_text_and_a_draft_survives_a_reload(console: Console) -> None:
    page = console.open("/desk/cases/{asked}", "representative")
    page.keyboard.press("n")
    assert page.locator("#text-write").evaluate("field => field === document.activeElement")
    assert page.locator("#composer [name=act]:checked").input_value() == "note"
    with page.expect_response(lambda answer: answer.url.endswith("/draft")) as saved:
        page.keyboard.type("Ask their postmaster.")
    assert saved.value.status == 200
    page.reload()
    assert page.locator("#text-write").input_value() == "Ask their postmaster."
    with page.expect_response(lambda answer: answer.url.endswith("/draft")):
        page.locator("#text-write").fill("")
    page.close()


def test_keys_move_through_the_queue_until_they_are_turned_off(console: Console) -> None:
    page = console.open("/desk?who=all", "representative")
    rows = page.locator("[data-row] [data-open]")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert rows.nth(1).evaluate("row => row === document.activeElement")
    page.keyboard.press("k")
    assert rows.nth(0).evaluate("row => row === document.activeElement")
    page.evaluate("delete document.documentElement.dataset.shortcuts")
    page.keyboard.press("j")
    assert rows.nth(0).evaluate("row => row === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/cases/*")
    page.close()
