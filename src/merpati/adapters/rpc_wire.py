"""What goes over the worker's socket: requests one way, answers the other, each with its number.

A frame is a 32-bit big-endian length and a msgpack array. The caller numbers its requests, so that
any number of them can be under way on one connection and be answered in any order.
"""

from __future__ import annotations

import struct
from typing import Any, Generic, TypeVar

import msgspec

from merpati.adapters.codec import DecodeError, pack, unpacker

MAX_FRAME_BYTES = 256 << 20  # above any batch; a longer one means the two ends lost step
GIVE_UP = ""  # as the operation: nobody waits for the answer to this number any more

_LENGTH = struct.Struct(">I")

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a caller wants done."""

    number: int
    op: str
    payload: bytes


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What came of it. kind: "" when it was done, else a word that says why not."""

    number: int
    payload: bytes
    kind: str = ""
    message: str = ""


class FrameTooLong(DecodeError):
    """A length that no frame of ours has."""


def framed(message: Request | Answer) -> bytes:
    """Return the message as it goes over the socket."""
    data = pack(message)
    return _LENGTH.pack(len(data)) + data


class FrameReader(Generic[T]):
    """Cuts the bytes of one connection into messages."""

    def __init__(self, shape: type[T]) -> None:
        self._decode: Any = unpacker(shape).decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """Return the messages that are whole by now. Raises DecodeError: nothing can follow it."""
        self._buffer += data
        found: list[T] = []
        begin = 0
        with memoryview(self._buffer) as view:
            while begin + _LENGTH.size <= len(view):
                (size,) = _LENGTH.unpack_from(view, begin)
                if size > MAX_FRAME_BYTES:
                    raise FrameTooLong(f"a frame of {size} bytes")
                end = begin + _LENGTH.size + size
                if end > len(view):
                    break
                found.append(self._decode(view[begin + _LENGTH.size : end]))
                begin = end
        del self._buffer[:begin]
        return found
