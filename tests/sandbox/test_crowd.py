"""Simulated people over real SMTP and HTTP: complaints come back as ARF, links are fetched."""

from __future__ import annotations

import asyncio
import http.server
import smtplib
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

from merpati.sandbox.links import PERSON, SCANNER, links_of
from merpati.sandbox.play import playing
from merpati.sandbox.providers_file import Feedback, People, PlayedProvider, ProvidersFile
from merpati.sandbox.seen import Try
from merpati.sandbox.world import make_world

HTML = (
    "Subject: Halo\r\nContent-Type: text/html\r\n\r\n"
    '<img src="http://{host}/open.gif"><a href="http://{host}/x?a=1&amp;b=2">x</a>'
    '<a href="http://elsewhere.example/">y</a>'
)


def test_links_are_those_of_the_hosts_that_may_be_asked() -> None:
    found = links_of(HTML.format(host="127.0.0.1:80").encode(), {"127.0.0.1:80"})
    assert found.pictures == ("http://127.0.0.1:80/open.gif",)
    assert found.links == ("http://127.0.0.1:80/x?a=1&b=2",)


class Pages(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["User-Agent"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it waits for is another thread
            await asyncio.sleep(0.01)


def send(address: str, port: int, data: str) -> None:
    with smtplib.SMTP(address, port, "mta.example", 10, ("127.0.0.2", 0)) as client:
        client.sendmail("bounce+1@kirim.example", ["sari@g.test"], data)


async def test_complaints_come_back_as_reports_and_links_are_fetched(tmp_path: Path) -> None:
    pages = type("Asked", (Pages,), {"asked": []})
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), pages)
    threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
    host = f"127.0.0.1:{web.server_port}"
    reports: list[Try] = []
    inbound = playing(make_world("127.0.0.60"), reports.append, keep=tmp_path)
    async with inbound as receiver:
        address = receiver.world.domains["plain-like.test"].address

        def played(**keys: float) -> ProvidersFile:
            provider = PlayedProvider(
                name="G", domains=["g.test"], unknown_user_share=0, background_deferral=0, **keys
            )  # type: ignore[arg-type]
            feedback = Feedback(smtp=f"{address}:{receiver.smtp_port}")
            return ProvidersFile([provider], [], feedback, People(hosts=[host]))

        for keys in (
            {"complaint_share": 1.0, "complaint_hours": 0.0, "scanner_share": 0.0},
            {"complaint_share": 0.0, "click_share": 1.0, "scanner_share": 1.0},
        ):
            file = played(**keys)
            world = make_world("127.0.0.70", None, file)
            async with playing(world, lambda _: None, providers_file=file) as it:
                where = it.world.domains["g.test"].address
                await asyncio.to_thread(send, where, it.smtp_port, HTML.format(host=host))
                await until(lambda: reports)
                if "click_share" in keys:
                    await until(lambda: len(pages.asked) == 3)
    web.shutdown()
    web.server_close()
    assert reports[0].rcpt_to == "bounce+1@kirim.example"
    (file_name,) = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    report = message_from_bytes(file_name.read_bytes(), policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "feedback-report"
    fields, original = list(report.iter_parts())[1:]
    assert "Feedback-Type: abuse" in fields.as_string()
    assert "Source-IP: 127.0.0.2" in fields.as_string()
    assert original.get_content()["Subject"] == "Halo"
    link = "/x?a=1&b=2"
    assert sorted(pages.asked) == sorted([("/open.gif", PERSON), (link, PERSON), (link, SCANNER)])
