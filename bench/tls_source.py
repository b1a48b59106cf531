"""What smtp-source does, over STARTTLS: many sessions at once, a new connection for each message.

`python -m bench.tls_source PORT MESSAGES --sessions N --bytes B --from ADDRESS --to ADDRESS`
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from collections.abc import Iterator

import uvloop

_LINE = b"X" * 78 + b"\r\n"


async def _session(
    port: int, envelope: list[bytes], data: bytes, left: Iterator[int], context: ssl.SSLContext
) -> None:
    for _ in left:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await _reply(reader, b"220")
        await _say(reader, writer, b"EHLO source.example.net", b"250")
        await _say(reader, writer, b"STARTTLS", b"220")
        await writer.start_tls(context)
        for command, wanted in zip(
            [b"EHLO source.example.net", *envelope, b"DATA", data, b"QUIT"],
            [b"250", b"250", b"250", b"354", b"250", b"221"],
            strict=True,
        ):
            await _say(reader, writer, command, wanted)
        writer.close()


async def _say(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes, wanted: bytes
) -> None:
    writer.write(command + b"\r\n")
    await _reply(reader, wanted)


async def _reply(reader: asyncio.StreamReader, wanted: bytes) -> None:
    line = await reader.readline()
    while line[3:4] == b"-":
        line = await reader.readline()
    if not line.startswith(wanted):
        raise ConnectionError(f"wanted {wanted!r}, got {line!r}")


async def _send(wanted: argparse.Namespace) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    envelope = [b"MAIL FROM:<%s>" % wanted.sender, b"RCPT TO:<%s>" % wanted.to]
    header = b"From: <%s>\r\nTo: <%s>\r\nSubject: relay\r\n\r\n" % (wanted.sender, wanted.to)
    data = header + _LINE * ((wanted.bytes - len(header)) // len(_LINE)) + b"."
    left = iter(range(wanted.messages))
    async with asyncio.TaskGroup() as group:
        for _ in range(wanted.sessions):
            group.create_task(_session(wanted.port, envelope, data, left, context))


def main() -> None:
    """Send everything, then end."""
    parser = argparse.ArgumentParser(prog="python -m bench.tls_source", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("messages", type=int)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--bytes", type=int, default=10_240)
    parser.add_argument("--from", dest="sender", type=str.encode, required=True)
    parser.add_argument("--to", type=str.encode, required=True)
    uvloop.run(_send(parser.parse_args()))


if __name__ == "__main__":
    main()
