"""A real SMTP receiver that verifies DKIM: `python -m demo.receiver PORT RECORD_NAME RECORD`.

It is not Merpati's: aiosmtpd speaks the protocol and dkimpy checks the signature, so that what it
says is an independent opinion. It prints one JSON line for each message.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import sys
from typing import Any

import dkim
from aiosmtpd.smtp import SMTP, Envelope, Session

Verdict = dict[str, Any]


class Receiver:
    """Accepts every message and says what it saw of it."""

    def __init__(self, record_name: str, record: str) -> None:
        self._record_name = record_name.rstrip(".").encode()
        self._record = record.encode()

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Verify one message; aiosmtpd calls this after the final dot."""
        data = envelope.original_content or b""
        passed = await asyncio.to_thread(dkim.verify, data, dnsfunc=self._dns)
        header = email.message_from_bytes(data, policy=email.policy.default)
        print(  # noqa: T201  # the parent process reads these lines
            json.dumps(
                {
                    "from_ip": session.peer[0] if session.peer else "",
                    "helo": session.host_name,
                    "dkim": "pass" if passed else "fail",
                    "to": envelope.rcpt_tos[0],
                    "subject": str(header["subject"]),
                    "bytes": len(data),
                }
            ),
            flush=True,
        )
        return "250 2.0.0 Received"

    def _dns(self, name: bytes, timeout: int = 5) -> bytes | None:
        # The sending domain exists only in this demonstration, so its record comes from the
        # command line instead of a DNS server.
        return self._record if name.rstrip(b".") == self._record_name else None


async def serve(port: int, record_name: str, record: str) -> None:
    """Receive until cancelled."""
    handler = Receiver(record_name, record)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mx.receiver.example", loop=loop), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
    except KeyboardInterrupt:
        sys.exit(0)
