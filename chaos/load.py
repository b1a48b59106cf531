"""The load: callers that keep sending and insist on an answer, as a careful customer would."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field

from harness.customer import DOMAIN


@dataclass
class Ledger:
    """What the service promised: the recipients of every call that was answered with 2xx."""

    accepted: set[str] = field(default_factory=set)
    calls: int = 0
    refused: int = 0  # answered 503: nothing was promised
    unanswered: int = 0  # connection broke: sent again with the same Idempotency-Key
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Caller(threading.Thread):
    """Sends transmissions of 1 to 60 recipients until told to stop, each until it is accepted."""

    def __init__(self, port: int, api_key: str, ledger: Ledger, pause: float) -> None:
        super().__init__(daemon=True)
        self._port, self._key, self._ledger, self._pause = port, api_key, ledger, pause
        self.finish = threading.Event()

    def run(self) -> None:
        while not self.finish.is_set():
            self._send_until_accepted()
            time.sleep(self._pause)

    def _send_until_accepted(self) -> None:
        key = uuid.uuid4().hex
        size = random.choice((1, 1, 1, 5, 60))
        recipients = [f"{key}-{n}@d{n % 3}.example.net" for n in range(size)]
        body = json.dumps(
            {
                "recipients": [{"address": r, "substitution_data": {"to": r}} for r in recipients],
                "content": {
                    "from": f"news@{DOMAIN}",
                    "subject": "For {{to}}",
                    "text": "Hello {{to}}\n" * 20,
                },
            }
        )
        while True:
            status, answer = self._post(body, key)
            with self._ledger.lock:
                if status == 200:
                    self._ledger.calls += 1
                    self._ledger.accepted.update(recipients)
                    if answer["results"]["total_accepted_recipients"] != size:
                        self._ledger.wrong.append(f"{key}: {answer}")
                    return
                if status == 503:
                    self._ledger.refused += 1
                elif status == 0:
                    self._ledger.unanswered += 1
                else:
                    self._ledger.wrong.append(f"{key}: {status} {answer}")
                    return
            time.sleep(0.05)

    def _post(self, body: str, key: str) -> tuple[int, dict[str, dict[str, int]]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {
            "Authorization": self._key,
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        try:
            connection.request("POST", "/api/v1/transmissions", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()
