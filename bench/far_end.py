"""The far end that smtp-sink cannot play: many addresses, STARTTLS, deferrals and refusals.

`FarEnd` starts it as a process of its own, so that its CPU is known. It takes everything, keeps
nothing, and counts in a small mapped file: messages it took, recipients it deferred and refused.
Which recipients those are hangs on a hash of the address, so each run meets the same ones.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import ssl
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self, cast

import uvloop

_COUNTS = struct.Struct("<qqq")  # messages taken, recipients deferred, recipients refused
_ROOT = Path(__file__).resolve().parent.parent


class _Counts:
    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _COUNTS.size)

    def read(self) -> tuple[int, int, int]:
        taken, deferred, refused = _COUNTS.unpack_from(self._map)
        return taken, deferred, refused

    def add(self, taken: int = 0, deferred: int = 0, refused: int = 0) -> None:
        old = self.read()
        _COUNTS.pack_into(self._map, 0, old[0] + taken, old[1] + deferred, old[2] + refused)


class FarEnd:
    """Listens on one port of all `addresses`.

    defer_permille of the recipients are told 451 once, refuse_permille (others) always 550.
    """

    def __init__(
        self,
        folder: Path,
        addresses: Sequence[str],
        port: int,
        *,
        defer_permille: int = 0,
        refuse_permille: int = 0,
        certificate: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        counts = folder / "counts"
        counts.write_bytes(bytes(_COUNTS.size))
        self._counts = _Counts(counts)
        self.port = port
        self._addresses = tuple(addresses)
        command = [sys.executable, "-m", "bench.far_end", str(counts), str(port), *addresses]
        command += ["--defer", str(defer_permille), "--refuse", str(refuse_permille)]
        command += ["--certificate", str(certificate)] if certificate else []
        with (folder / "far-end.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=_ROOT
            )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != b"ready\n":
            failure = (folder / "far-end.log").read_text()[-2000:]
            raise ChildProcessError(f"the far end did not start: {failure}")

    @property
    def address(self) -> str:
        """HOST:PORT at which it takes mail, the first of all."""
        return f"{self._addresses[0]}:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def count(self) -> int:
        """Return how many messages have been answered with 250 so far."""
        return self._counts.read()[0]

    @property
    def refused(self) -> int:
        """Return how many recipients got 550."""
        return self._counts.read()[2]

    @property
    def deferred(self) -> int:
        """Return how many recipients got 451."""
        return self._counts.read()[1]

    def wait_for(self, messages: int, seconds: float) -> float | None:
        """Return the monotonic moment at which all had ended, or None after `seconds`.

        messages: recipients that were sent to, those refused for good included.
        """
        ends = time.monotonic() + seconds
        while True:
            taken, _, refused = self._counts.read()
            now = time.monotonic()
            if taken + refused >= messages:
                return now
            if now > ends:
                return None
            time.sleep(0.004)

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Behaviour:
    """What all connections share."""

    def __init__(
        self, counts: _Counts, defer: int, refuse: int, context: ssl.SSLContext | None
    ) -> None:
        self.counts = counts
        self.context = context
        self._defer, self._refuse = defer, 1000 - refuse
        self._deferred: set[bytes] = set()

    def recipient(self, line: bytes) -> bytes:
        """Return the answer to RCPT."""
        if not self._defer and self._refuse == 1000:
            return b"250 2.1.5 Ok\r\n"
        share = zlib.crc32(line) % 1000
        if share < self._defer and line not in self._deferred:
            self._deferred.add(line)
            self.counts.add(deferred=1)
            return b"451 4.7.1 Greylisted, please come back\r\n"
        if share >= self._refuse:
            self.counts.add(refused=1)
            return b"550 5.1.1 No such user here\r\n"
        return b"250 2.1.5 Ok\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self, behaviour: _Behaviour) -> None:
        self._behaviour = behaviour
        self._transport: asyncio.Transport | None = None
        self._in = bytearray()
        self._in_data = False
        self._has_recipient = False
        self._is_secure = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._is_secure:
            self._transport.write(b"220 far.example.net ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._in += data
        out: list[bytes] = []
        while self._in_data or self._in:
            if self._in_data:
                end = self._in.find(b"\r\n.\r\n")
                if end < 0:
                    del self._in[: max(0, len(self._in) - 4)]
                    break
                del self._in[: end + 5]
                self._in_data = False
                self._behaviour.counts.add(taken=1)
                out.append(b"250 2.0.0 Ok\r\n")
                continue
            end = self._in.find(b"\r\n")
            if end < 0:
                break
            line = bytes(self._in[:end])
            del self._in[: end + 2]
            out.append(self._answer(line))
        transport = self._transport
        if transport is None:
            return
        if out:
            transport.write(b"".join(out))
        if out and out[-1].startswith(b"221"):
            transport.close()
        elif out and out[-1].startswith(b"220 2.0.0"):
            asyncio.get_running_loop().create_task(self._secure(transport))

    def _answer(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"RCPT":
                answer = self._behaviour.recipient(line)
                self._has_recipient |= answer.startswith(b"250")
            case b"DATA" if self._has_recipient:
                self._in_data = True
                # Searched for as line end, dot, line end: an empty message has no line before.
                self._in[:0] = b"\r\n"
                answer = b"354 Go on\r\n"
            case b"DATA":
                answer = b"503 5.5.1 No valid recipients\r\n"
            case b"EHLO":
                offers = self._behaviour.context is not None and not self._is_secure
                starttls = b"250-STARTTLS\r\n" if offers else b""
                answer = b"250-far.example.net\r\n250-8BITMIME\r\n" + starttls
                answer += b"250 PIPELINING\r\n"
            case b"STAR":
                answer = b"220 2.0.0 Go on\r\n"
            case b"QUIT":
                answer = b"221 2.0.0 Bye\r\n"
            case verb:
                if verb in (b"MAIL", b"RSET"):
                    self._has_recipient = False
                answer = b"250 2.0.0 Ok\r\n"
        return answer

    async def _secure(self, transport: asyncio.Transport) -> None:
        assert self._behaviour.context is not None
        self._is_secure = True
        self._transport = await asyncio.get_running_loop().start_tls(
            transport, self, self._behaviour.context, server_side=True
        )


async def _serve(wanted: argparse.Namespace) -> None:
    context = None
    if wanted.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(wanted.certificate)
    behaviour = _Behaviour(_Counts(wanted.counts), wanted.defer, wanted.refuse, context)
    loop = asyncio.get_running_loop()
    for address in wanted.addresses:
        await loop.create_server(
            lambda: _Connection(behaviour), address, wanted.port, backlog=1_000
        )
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.far_end", description=__doc__)
    parser.add_argument("counts", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("addresses", nargs="+")
    parser.add_argument("--defer", type=int, default=0)
    parser.add_argument("--refuse", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
