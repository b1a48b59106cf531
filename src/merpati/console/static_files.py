"""Static files under names that carry a hash of their content, straight from the packages.

Nothing is collected into a folder at installation: the files are few, so that each process reads
them once. A changed file has another address, so browsers keep what they have for a year.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, cast

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


@cache
def static_files() -> dict[str, tuple[str, Path]]:
    """Return each static file's hashed name and its path, by the name that templates use."""
    return {name: (_hashed(name, path), path) for name, path in _found()}


class HashedStorage(StaticFilesStorage):
    """Tells templates the hashed address: `{% static "console/console.css" %}`."""

    def url(self, name: str | None) -> str:
        """Return a file's address. Raises KeyError for a file that is not there."""
        return str(settings.STATIC_URL) + static_files()[name or ""][0]


class ServeStatic(WhiteNoiseMiddleware):  # type: ignore[misc] # it carries no types
    """Serves the hashed names alone, each kept by browsers for ever."""

    def __init__(self, get_response: Any) -> None:
        """Register every file; whitenoise answers conditional requests and ranges."""
        super().__init__(get_response)
        self.allow_all_origins = False
        self.immutable_file_test = lambda path, url: True
        for hashed, path in static_files().values():
            self.add_file_to_dictionary(self.static_prefix + hashed, str(path))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the file, or pass the request on."""
        found = self.files.get(request.path_info)
        answer = self.get_response(request) if found is None else self.serve(found, request)
        return cast(HttpResponseBase, answer)


def _found() -> Iterator[tuple[str, Path]]:
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            if Path(name).suffix in {".css", ".js", ".svg", ".png", ".ico", ".woff2"}:
                yield name, Path(storage.path(name))


def _hashed(name: str, path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    plain = PurePosixPath(name)
    return str(plain.with_name(f"{plain.stem}.{digest}{plain.suffix}"))
