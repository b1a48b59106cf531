"""msgpack and JSON through msgspec: the one place that knows the codec."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

DecodeError = msgspec.DecodeError  # malformed, or not of the wanted shape (its subclass)

pack = msgspec.msgpack.Encoder().encode
unpack_any = msgspec.msgpack.Decoder().decode
json_bytes = msgspec.json.encode


def unpacker(shape: type[T]) -> msgspec.msgpack.Decoder[T]:
    """Return a reusable decoder for one shape; call its `decode(data)`, raises DecodeError."""
    return msgspec.msgpack.Decoder(shape)


def json_reader(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Return a reusable JSON decoder for one shape; call its `decode(data)`, raises DecodeError."""
    return msgspec.json.Decoder(shape)


def json_text(value: Any) -> str:
    """Return a value as compact JSON text."""
    return msgspec.json.encode(value).decode()
