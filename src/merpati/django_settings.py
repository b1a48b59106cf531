"""Django's settings: control data of one instance, under the data folder named by `MERPATI_DATA`.

Without that variable the database lives in memory (or where `MERPATI_DATABASE__URL` says) and the
secret key lasts as long as the process: enough for tests and for tools that only import models.
What an operator may set is not here but in `merpati.settings`; `runtime/` and `cli/` name the data
folder before Django is set up.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from merpati.adapters.secret_key import derive, ensure_secret_key
from merpati.control.django_database import django_database, sqlite_database
from merpati.control.place import SQLITE_FILE, parse_url
from merpati.settings import control_place, load

_folder = os.environ.get("MERPATI_DATA")
DATA_DIR: Path | None = Path(_folder) if _folder else None


def _secret_key(data_dir: Path) -> str:
    key_file, database = data_dir / "secret.key", data_dir / SQLITE_FILE
    if database.exists() and not key_file.exists():
        raise ImproperlyConfigured(
            f"{key_file} is missing, but {database} exists: the DKIM keys in it cannot be opened "
            "without that file. Restore it from your backup."
        )
    return derive(ensure_secret_key(key_file), "django").hex()


if DATA_DIR is None:
    SECRET_KEY = secrets.token_hex()
    _url = os.environ.get("MERPATI_DATABASE__URL", "")
    DATABASES = {
        "default": django_database(parse_url(_url)) if _url else sqlite_database(":memory:")
    }
else:
    SECRET_KEY = _secret_key(DATA_DIR)
    DATABASES = {"default": django_database(control_place(DATA_DIR))}

INSTALLED_APPS = [
    "merpati.accounts",
    "merpati.sending",
    "merpati.events",
    "merpati.plans",
    "merpati.desk",
    "merpati.console",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("id", "Bahasa Indonesia")]
LOCALE_PATHS = [Path(__file__).with_name("locale")]

DEBUG = False
ROOT_URLCONF = "merpati.console.urls"  # the API has its own handler and URLs (`api_handler.py`)
ALLOWED_HOSTS = ["*"]  # no link is built from the Host header: mail has `console.url`
APPEND_SLASH = False  # a redirected POST loses its body (sparkpost-api 1.1)
# --- The console: pages alone, the API's own handler runs none of this (`api_handler.py`) ---
MIDDLEWARE = [
    "merpati.console.forwarded.real_addresses",
    "django.middleware.security.SecurityMiddleware",
    "merpati.console.static_files.ServeStatic",
    "merpati.console.middleware.request_ids",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "merpati.console.middleware.Personal",
    "axes.middleware.AxesMiddleware",
    "merpati.console.sign_in.sessions.LastUse",
    "merpati.console.sign_in.gates.gates",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "merpati.console.context.shell",
            ],
        },
    }
]

STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "merpati.console.static_files.HashedStorage"},
}

# Scripts, styles and images are ours; nothing is inline. allauth draws QR codes as data.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "merpati.console.views.errors.form_expired"
CSRF_COOKIE_NAME = "merpati_csrf"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

_settings = load(DATA_DIR) if DATA_DIR else None
CONSOLE_URL = _settings.console_url if _settings else ""
CONSOLE_SECOND_FACTOR = _settings.console.second_factor if _settings else "staff"
CONSOLE_TRUSTED_PROXIES = [
    ipaddress.ip_network(text) for text in (_settings.console.trusted_proxies if _settings else ())
]
# Behind a proxy that ends TLS only this setting knows that people come by https.
CSRF_TRUSTED_ORIGINS = [CONSOLE_URL] if CONSOLE_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONSOLE_URL.startswith("https:")
SECURE_HSTS_SECONDS = 365 * 86_400 if SESSION_COOKIE_SECURE else 0

LOGGING_CONFIG = None  # each process sets up its own logging

# --- Users and how they sign in (pages alone; API keys know nothing of it) ---
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses who tried too often
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation."
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": _VALIDATION + "UserAttributeSimilarityValidator",
     "OPTIONS": {"user_attributes": ("email", "name")}},
    {"NAME": _VALIDATION + "MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": _VALIDATION + "CommonPasswordValidator"},
]  # fmt: skip
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_NAME = "merpati_session"
SESSION_COOKIE_AGE = 14 * 86_400
CSRF_COOKIE_HTTPONLY = True

ACCOUNT_ADAPTER = "merpati.console.sign_in.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # accepting an invitation shows whose the address is
ACCOUNT_EMAIL_NOTIFICATIONS = True  # also of what somebody else changed
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # we write to nobody who has no part here
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_RATE_LIMITS = {"login": None}  # axes brakes
# What allauth counts (codes of a second factor, forgotten passwords) counts for all processes and
# outlives them: in the database. Nothing else is cached.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "rate_limits",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
PASSWORD_RESET_TIMEOUT = 3_600

MFA_ADAPTER = "merpati.console.sign_in.adapter.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Merpati"
MFA_TOTP_TOLERANCE = 1  # a clock half a minute off
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey alone signs in: the device asks who it is
MFA_RECOVERY_CODES_SHOW_ONCE = True

# The brake on guessed passwords (`sign_in/brake.py`), in the database.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "merpati.console.sign_in.brake.address_tried"
AXES_LOCKOUT_CALLABLE = "merpati.console.sign_in.brake.paused"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # the audit trail and the list of sessions say it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
