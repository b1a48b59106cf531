"""The caller's end of one connection, which all threads of a process share.

Each thread that waits in the kernel costs Python two changes of thread, and an API call has no time
for many. So the requests of all threads that come together leave in one write, one thread reads
the answers that came together, and each caller waits but once, for its own.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections import deque

from merpati.adapters.codec import DecodeError
from merpati.adapters.rpc_wire import GIVE_UP, Answer, FrameReader, Request, framed

READ_BYTES = 64 << 10


class LineBroken(Exception):
    """The connection ended before the answer. Whether the request was carried out is unknown."""


class AnswerTooLate(Exception):
    """No answer in time; the request was given up, but may have been carried out."""


class _Call:
    """One caller that waits."""

    __slots__ = ("answer", "answered", "failure")

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.failure = ""
        self.answered = threading.Lock()
        self.answered.acquire()


class Line:
    """A connection in use; once broken it stays so, and whoever wants more makes another."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        """connection: blocking, and limited in how long it sends. The line closes it."""
        self.is_broken = False
        self._failure = ""
        self._connection = connection
        self._numbers = itertools.count()
        self._calls: dict[int, _Call] = {}
        self._unsent: deque[bytes] = deque()
        self._sending = threading.Lock()
        threading.Thread(target=self._read, name=f"rpc-{name}", daemon=True).start()

    def call(self, op: str, payload: bytes, timeout_seconds: float) -> Answer:
        """Send a request and return its answer. Raises LineBroken, AnswerTooLate."""
        number, call = next(self._numbers), _Call()
        self._calls[number] = call
        if self.is_broken:  # looked at after the entry: either we see it or `_break` sees us
            self._calls.pop(number, None)
            raise LineBroken(self._failure)
        self._send(framed(Request(number, op, payload)))
        if not call.answered.acquire(timeout=timeout_seconds):
            self._calls.pop(number, None)
            self._send(framed(Request(number, GIVE_UP, b"")))
            raise AnswerTooLate
        if call.answer is None:
            raise LineBroken(call.failure)
        return call.answer

    def close(self) -> None:
        """Hang up; calls under way fail."""
        self._break("the connection was closed by this side")

    def _send(self, frame: bytes) -> None:
        """Send the frame, or leave it to the thread that is sending and will look again."""
        self._unsent.append(frame)
        while self._unsent and self._sending.acquire(blocking=False):
            try:
                frames = [self._unsent.popleft() for _ in range(len(self._unsent))]
                self._connection.sendall(frames[0] if len(frames) == 1 else b"".join(frames))
            except OSError as error:  # also BlockingIOError, how SO_SNDTIMEO says it
                self._break(str(error))
                return
            finally:
                self._sending.release()

    def _read(self) -> None:
        frames = FrameReader(Answer)
        failure = "the connection was closed before the answer"
        try:
            while data := self._connection.recv(READ_BYTES):
                for answer in frames.feed(data):
                    call = self._calls.pop(answer.number, None)
                    if call is not None:
                        call.answer = answer
                        call.answered.release()
        except (OSError, DecodeError) as error:
            failure = str(error)
        self._break(failure)
        with self._sending:  # nobody must be sending on a number that may be another file's by then
            self._connection.close()

    def _break(self, failure: str) -> None:
        self._failure = self._failure or failure
        self.is_broken = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes the reader, which closes
        with contextlib.suppress(KeyError):
            while True:
                _, call = self._calls.popitem()
                call.failure = self._failure
                call.answered.release()
