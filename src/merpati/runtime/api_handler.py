"""Django's request handler for the API: its own URLs, without what an API call has no use for.

Middleware, and the signals at the beginning and end of a request, together take longer than
everything a call is made for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, get_resolver

from merpati.control.thread_connection import look_after_connection

URLS = "merpati.api.urls"


class ApiHandler(BaseHandler):
    """Serves the API's URLs, with an empty list of middleware; Django's own has the console's."""

    def __init__(self) -> None:
        """Build the chain of nothing but the view."""
        super().__init__()
        self._view_middleware: list[object] = []
        self._template_response_middleware: list[object] = []
        self._exception_middleware: list[object] = []
        self._resolver = get_resolver(URLS)
        self._middleware_chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer one request with a body in one piece: a list goes out in one write."""
        response = self.get_response(WSGIRequest(environ))
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, list(response.items()))
        look_after_connection()
        return [response.content]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Find the view among the API's URLs; the settings' are the console's."""
        request.resolver_match = self._resolver.resolve(request.path_info)
        return request.resolver_match

    def get_response(self, request: HttpRequest) -> HttpResponse:
        """Answer, without the log line that Django writes for each 4xx: customers make those."""
        return cast(HttpResponse, self._middleware_chain(request))
