"""One real web process and one real browser for all tests of this folder.

Playwright's synchronous side keeps a loop running in its thread, where no other test could run one:
so all tests of this folder run in a thread of their own, with one server and one browser a worker.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    sync_playwright,
)

from harness.service import free_port, wait_until
from tests.support.prepared import prepared

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
]
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
LISTENING = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""

_thread = ThreadPoolExecutor(1, thread_name_prefix="browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if CHROMIUM is None and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="pages in a browser: needs chromium"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Run a test in the browser's thread."""
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    _thread.submit(pyfuncitem.obj, **arguments).result()
    return True


@dataclass
class Console:
    """The running console with its people and cases, and the browser that looks at it."""

    address: str
    cookies: dict[str, str]
    names: dict[str, Any]
    browser: Browser
    contexts: dict[tuple[Any, ...], BrowserContext] = field(default_factory=dict)
    walkers: dict[tuple[str, str], tuple[Page, list[str]]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return self.address + path.format(**self.names)

    def context(self, who: str, language: str, *, has_scripts: bool = True) -> BrowserContext:
        """Return the browser of a role; its settings and cookies are of that language."""
        key = (who, language, has_scripts)
        if key not in self.contexts:
            context = self.browser.new_context(
                locale={"en": "en-GB", "id": "id-ID"}[language],
                timezone_id="Asia/Jakarta",
                java_script_enabled=has_scripts,
                viewport=WIDE,
                reduced_motion="reduce",
            )
            cookies = {"merpati_language": language}
            if who:
                cookies["merpati_session"] = self.cookies[f"{who}-{language}"]
            context.add_cookies(
                [
                    {"name": name, "value": value, "url": self.address}
                    for name, value in cookies.items()
                ]
            )
            context.add_init_script(LISTENING)
            self.contexts[key] = context
        return self.contexts[key]

    def walker(self, who: str, language: str) -> tuple[Page, list[str]]:
        """Return a role's page, wide and light, and the list of what it complains of.

        One tab for all: a new one costs the browser a process.
        """
        if (who, language) not in self.walkers:
            page, told = self.context(who, language).new_page(), []
            page.on("console", lambda message: _keep(told, message))
            page.on("pageerror", lambda error: told.append(str(error)))
            self.walkers[who, language] = page, told
        page, told = self.walkers[who, language]
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        return page, told

    def open(self, path: str, who: str, language: str = "en", **options: Any) -> Page:
        page = self.context(who, language, **options).new_page()
        page.goto(self.url(path))
        return page


def _keep(told: list[str], message: ConsoleMessage) -> None:
    # A page with an error status is itself reported as a resource that failed to load.
    if message.type == "error" and "Failed to load resource" not in message.text:
        told.append(message.text)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A real web process on a folder that the seed has filled."""
    data = prepared(tmp_path_factory.mktemp("console") / "data")
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    seed = [sys.executable, str(Path(__file__).with_name("seed.py")), str(data)]
    told = subprocess.run(seed, capture_output=True, text=True, check=False, env=environment)
    assert told.returncode == 0, told.stderr
    port = free_port()
    command = [sys.executable, "-m", "merpati.runtime.web", "--data", str(data)]
    log = data / "web.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*command, "--http", f"127.0.0.1:{port}", "--workers", "1"], stderr=stderr
        )
    try:
        wait_until(lambda: _answers(port), "the web process to take connections")
        yield f"http://127.0.0.1:{port}", json.loads(told.stdout)
    finally:
        process.terminate()
        process.wait()
        assert "defect" not in log.read_text(), log.read_text()


@pytest.fixture(scope="session")
def console(served: tuple[str, Any]) -> Iterator[Console]:
    address, seeded = served

    def start() -> tuple[Any, Browser]:
        playwright = sync_playwright().start()
        return playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

    playwright, browser = _thread.submit(start).result()
    yield Console(address, seeded["cookies"], seeded["names"], browser)
    _thread.submit(browser.close).result()
    _thread.submit(playwright.stop).result()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
