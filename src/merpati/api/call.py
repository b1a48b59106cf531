"""One call to the API: who asks, what was sent. And the registry's way to name what answers it.

Every path is served as it is written, with or without a slash at its end: an API call is never
redirected, since clients turn a redirected POST into a GET or drop it (sparkpost-clients 3).
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path

from merpati.accounts.keys import KeyIdentity
from merpati.adapters import codec
from merpati.api.authentication import check_subaccount, identify
from merpati.api.error_map import as_api_error
from merpati.api.errors import ApiError, problem_body, refusal, sparkpost_body
from merpati.api.services import services
from merpati.api.wire import wrong_field

BODY_BYTES = 50 * 1024 * 1024
OWN_PATHS = "/api/merpati/"
IDEMPOTENCY_KEY_CHARACTERS = 255

# Random for each process and counted within it: asking the kernel for random bytes at each request
# lets another thread in.
_PROCESS_PREFIX = secrets.token_hex(4)
_request_numbers = itertools.count()

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """An authenticated request."""

    request: HttpRequest
    identity: KeyIdentity
    request_id: str

    @property
    def account_id(self) -> int:
        """The account whose objects this call may see."""
        return self.identity.account_id

    @property
    def actor(self) -> str:
        """Who this is in the audit trail."""
        return self.identity.actor

    @property
    def now(self) -> datetime:
        """The present, by the process's clock."""
        return datetime.fromtimestamp(services().clock.now() / 1000, UTC)

    def header(self, name: str) -> str:
        """Return a request header's value, "" when it was not sent. name: as in CGI."""
        return str(self.request.META.get(name, ""))

    def idempotency_key(self) -> str | None:
        """Return the `Idempotency-Key`, None when there is none. Raises ApiError 400."""
        key: str | None = self.request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return None
        # Ignored instead, a key that cannot be used would protect from nothing, unnoticed. Bytes
        # that are no text arrive as "".
        if not 0 < len(key) <= IDEMPOTENCY_KEY_CHARACTERS or not key.isascii():
            raise refusal(
                400,
                "invalid params",
                f"Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_CHARACTERS} ASCII characters",
                "1200",
            )
        return key

    def body(self) -> bytes:
        """Return the JSON body's bytes. Raises ApiError 413, 415 or 400."""
        content_type = self.request.content_type or ""
        if content_type not in {"application/json", ""}:
            raise refusal(
                415,
                "unsupported content type",
                f"send the body as application/json, not {content_type[:100]}",
                "1700",
                "unsupported-media-type",
            )
        if self.header("HTTP_CONTENT_ENCODING") not in {"", "identity"}:
            raise refusal(
                415,
                "unsupported content type",
                "send the body without Content-Encoding",
                "1700",
                "unsupported-media-type",
            )
        return _read(self.request)

    def json(self, shape: type[T]) -> T:
        """Return the body as `shape`. Raises ApiError 413, 415, 400 or 422."""
        return decode(self.body(), codec.json_reader(shape))


Handler = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method of a path does, and the grant it needs; no grant: anybody may call it."""

    handler: Handler
    grant: str | None


def resource(path: str, **operations: Operation) -> URLPattern:
    """Return the URL of one resource: a regular expression below `/api/`, method → operation."""
    methods = {method.upper(): operation for method, operation in operations.items()}
    if "GET" in methods:
        methods["HEAD"] = methods["GET"]

    def view(request: HttpRequest, **parameters: str) -> HttpResponse:
        return _answer(request, methods, parameters)

    return re_path(rf"^{path}/?$", view)


def not_found(request: HttpRequest) -> HttpResponse:
    """Answer a path that nothing is registered for."""
    error = refusal(404, "invalid uri", f"There is no {request.path[:200]}", "1101", "not-found")
    return _finished(_refused(error, request, request_id := new_request_id()), request_id)


def new_request_id() -> str:
    """Return an id for one request, shown to the caller and in the log."""
    return f"{_PROCESS_PREFIX}{next(_request_numbers):08x}"


def results(value: Any, status: int = 200) -> HttpResponse:
    """Return SparkPost's envelope around a value."""
    return json_response(codec.json_bytes({"results": value}), status)


def json_response(body: bytes, status: int = 200) -> HttpResponse:
    """Return encoded JSON."""
    return HttpResponse(body, content_type="application/json", status=status)


def no_content() -> HttpResponse:
    """Return 204, which has no body."""
    response = HttpResponse(status=204)
    del response["Content-Type"]
    return response


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a JSON body. Raises ApiError 400 (no JSON) or 422 (a field has the wrong type)."""
    if not body:
        raise refusal(400, "invalid params", "The body is empty; it must be JSON.", "1200")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        field, description = wrong_field(error)
        raise refusal(
            422,
            "invalid data format/type",
            description,
            "1300",
            pointer="/" + field.replace(".", "/") if field else "",
        ) from None
    except UnicodeDecodeError:
        raise refusal(400, "body not UTF-8", "The body must be UTF-8.", "1305") from None
    except msgspec.DecodeError as error:
        raise refusal(400, "invalid params", f"The body is not JSON: {error}", "1200") from None
    except RecursionError:
        raise refusal(400, "invalid params", "The body is nested too deeply.", "1200") from None


def _answer(
    request: HttpRequest, methods: Mapping[str, Operation], parameters: Mapping[str, str]
) -> HttpResponse:
    request_id = new_request_id()
    try:
        operation = methods.get(request.method or "")
        if operation is None:
            raise _method_not_allowed(methods)
        if operation.grant is None:
            response = operation.handler(request, **parameters)
        else:
            call = _authenticated(request, operation.grant, request_id)
            response = operation.handler(call, **parameters)
    except Exception as error:  # the edge: whatever it was, the caller gets an answer
        response = _refused(as_api_error(error, request_id), request, request_id)
    return _finished(response, request_id)


def _authenticated(request: HttpRequest, grant: str, request_id: str) -> Call:
    meta = request.META
    identity = identify(meta.get("HTTP_AUTHORIZATION", ""), grant, services().directory)
    subaccount = meta.get("HTTP_X_MSYS_SUBACCOUNT")
    if subaccount is not None:
        check_subaccount(subaccount)
    return Call(request, identity, request_id)


def _method_not_allowed(methods: Mapping[str, Operation]) -> ApiError:
    allowed = ", ".join(sorted(methods))
    return refusal(
        405,
        "method not allowed",
        f"This path takes {allowed}.",
        "1102",
        "method-not-allowed",
        headers={"Allow": allowed},
    )


def _refused(error: ApiError, request: HttpRequest, request_id: str) -> HttpResponse:
    if request.path.startswith(OWN_PATHS):
        response = HttpResponse(
            problem_body(error, request_id),
            content_type="application/problem+json",
            status=error.status,
        )
    else:
        response = json_response(sparkpost_body(error), error.status)
    for name, value in error.headers.items():
        response[name] = value
    return response


def _finished(response: HttpResponse, request_id: str) -> HttpResponse:
    response["X-Request-Id"] = request_id
    return response


def _read(request: HttpRequest) -> bytes:
    """Read the whole body, up to the limit; also one sent in chunks, without a length."""
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or ""
    if length.isdigit():
        wanted = int(length)
    elif "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower():
        wanted = BODY_BYTES + 1
    else:
        return b""
    if wanted > BODY_BYTES and length:
        raise _too_large()
    body: bytes = meta["wsgi.input"].read(wanted)
    if len(body) > BODY_BYTES:
        raise _too_large()
    if length and len(body) < wanted:
        raise refusal(400, "invalid params", "The body is shorter than its length says.", "1200")
    return body


def _too_large() -> ApiError:
    limit = BODY_BYTES // (1024 * 1024)
    return refusal(
        413, "request too large", f"A request is at most {limit} MB.", problem="too-large"
    )
