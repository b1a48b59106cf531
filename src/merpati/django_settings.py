"""Django's settings: control data of one instance, under the data folder named by `MERPATI_DATA`.

Without that variable the database lives in memory and the secret key lasts as long as the process:
enough for tests and for tools that only import models. What an operator may set is not here but in
`merpati.settings`; `runtime/` and `cli/` name the data folder before Django is set up.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from merpati.adapters.secret_key import derive, ensure_secret_key

_folder = os.environ.get("MERPATI_DATA")
DATA_DIR: Path | None = Path(_folder) if _folder else None


def _sqlite(name: str) -> dict[str, Any]:
    """Return the default database: SQLite in WAL mode.

    A transaction takes the write lock when it begins (IMMEDIATE): one that upgrades a read to a
    write half-way cannot wait for the lock and fails with "database is locked".
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "CONN_MAX_AGE": None,  # per thread: opening one costs more than all else of an API call
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds to wait for another writer
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _secret_key(data_dir: Path, database: Path) -> str:
    key_file = data_dir / "secret.key"
    if database.exists() and not key_file.exists():
        raise ImproperlyConfigured(
            f"{key_file} is missing, but {database} exists: the DKIM keys in it cannot be opened "
            "without that file. Restore it from your backup."
        )
    return derive(ensure_secret_key(key_file), "django").hex()


if DATA_DIR is None:
    SECRET_KEY = secrets.token_hex()
    DATABASES = {"default": _sqlite(":memory:")}
else:
    SECRET_KEY = _secret_key(DATA_DIR, DATA_DIR / "control.sqlite3")
    DATABASES = {"default": _sqlite(str(DATA_DIR / "control.sqlite3"))}

INSTALLED_APPS = ["merpati.accounts", "merpati.sending", "merpati.desk"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("id", "Bahasa Indonesia")]
LOCALE_PATHS = [Path(__file__).with_name("locale")]

DEBUG = False
ROOT_URLCONF = "merpati.api.urls"
ALLOWED_HOSTS = ["*"]  # the API builds no link from the Host header
APPEND_SLASH = False  # a redirected POST loses its body (sparkpost-api 1.1)
MIDDLEWARE: list[str] = []
LOGGING_CONFIG = None  # each process sets up its own logging
