"""Django's request handler without middleware, for the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse


class ApiHandler(WSGIHandler):
    """Serves the same URLs as Django's own handler, with an empty list of middleware."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> HttpResponse:
        """Answer one request.

        Django's own also looks after the thread's database connections here. We do that when a
        request ends (`request_finished`), and in between nothing happens to them.
        """
        response = self.get_response(self.request_class(environ))
        response._handler_class = self.__class__  # type: ignore[attr-defined] # sends the signal
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, list(response.items()))
        return response

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
