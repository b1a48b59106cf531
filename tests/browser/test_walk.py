"""Each page of the registry, as a browser sees it: accessible, in one language, within its policy.

`PICTURES_TO=docs/console` writes the pictures of the documentation there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page as BrowserPage

from tests.browser.conftest import PHONE, Console
from tests.browser.pages import PAGES, Page

_FOLDER = os.environ.get("PICTURES_TO")
PICTURES = Path(_FOLDER) if _FOLDER else None
AXE = Axe()
# The dark scheme changes colours alone, another language texts and what is named by them.
NAMES = ["aria-command-name", "button-name", "document-title", "html-has-lang", "html-lang-valid"]
NAMES += ["image-alt", "input-button-name", "label", "link-name", "select-name", "valid-lang"]
RULES: dict[tuple[str, str], dict[str, Any]] = {
    ("en", "light"): {"resultTypes": ["violations"]},
    ("en", "dark"): {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
    ("id", "light"): {"resultTypes": ["violations"], "runOnly": NAMES},
}


@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_accessible_fits_and_keeps_to_its_policy(
    console: Console, page: Page, language: str
) -> None:
    seen, told = console.walker(page.who, language)
    told.clear()
    answer = seen.goto(console.url(page.path))
    assert answer is not None
    assert answer.status == page.status
    assert seen.locator("html").get_attribute("lang") == language
    # The bar on top keeps to one row, whatever the role and the language.
    assert seen.evaluate("document.querySelector('header.top').offsetHeight") < 64
    seen.evaluate(AXE.axe_script)
    for scheme in ("light", "dark"):
        if (rules := RULES.get((language, scheme))) is None and PICTURES is None:
            continue
        seen.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if rules is not None:
            found = AxeResults(seen.evaluate("options => axe.run(document, options)", rules))
            assert found.violations_count == 0, f"{scheme}\n{found.generate_report()}"
        _picture(seen, page, language, "dark" if scheme == "dark" else "desktop")
    seen.set_viewport_size(PHONE)  # type: ignore[arg-type]
    wide = seen.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], f"{wide} px wide on a telephone"
    _picture(seen, page, language, "phone")
    assert told == []


def _picture(seen: BrowserPage, page: Page, language: str, form: str) -> None:
    if PICTURES is not None and page.has_picture:
        PICTURES.mkdir(exist_ok=True)
        seen.screenshot(path=PICTURES / f"{page.name}-{form}-{language}.png", full_page=True)
