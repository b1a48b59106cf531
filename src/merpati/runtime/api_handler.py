"""Django's request handler without middleware, for the API."""

from __future__ import annotations

from typing import cast

from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse


class ApiHandler(WSGIHandler):
    """Serves the same URLs as Django's own handler, with an empty list of middleware."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain of nothing but the view."""
        self._view_middleware: list[object] = []
        self._template_response_middleware: list[object] = []
        self._exception_middleware: list[object] = []
        self._middleware_chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]

    def get_response(self, request: HttpRequest) -> HttpResponse:
        """Answer, without the log line that Django writes for each 4xx: customers make those."""
        response = cast(HttpResponse, self._middleware_chain(request))
        response._resource_closers.append(request.close)  # type: ignore[attr-defined]
        return response
