"""msgpack and JSON through msgspec: the one place that knows the codec."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

DecodeError = msgspec.DecodeError  # malformed, or not of the wanted shape (its subclass)

pack = msgspec.msgpack.Encoder().encode
json_bytes = msgspec.json.encode


class Unpacker(Generic[T]):
    """Reads msgpack of one shape."""

    __slots__ = ("_decode",)

    def __init__(self, shape: type[T]) -> None:
        self._decode = msgspec.msgpack.Decoder(shape).decode

    def decode(self, data: bytes | memoryview | msgspec.Raw) -> T:
        """Return what the bytes say. Raises DecodeError, for whatever is wrong with them."""
        try:
            return self._decode(data)
        except (UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(str(error)) from error


def unpacker(shape: type[T]) -> Unpacker[T]:
    """Return a reusable decoder for one shape; call its `decode(data)`, raises DecodeError."""
    return Unpacker(shape)


unpack_any = unpacker(Any).decode


def json_reader(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Return a reusable JSON decoder for one shape; call its `decode(data)`, raises DecodeError."""
    return msgspec.json.Decoder(shape)


def json_text(value: Any) -> str:
    """Return a value as compact JSON text."""
    return msgspec.json.encode(value).decode()
