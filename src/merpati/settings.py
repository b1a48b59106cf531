"""Settings: flags > `MERPATI_SECTION__KEY` > `DIR/merpati.toml` > defaults.

Each field below carries its description; the reference of settings is generated from them. A key
nobody knows is refused with a suggestion, a value of the wrong kind with its path and its origin.
In the environment lists are comma separated. `MERPATI_DATA`, `MERPATI_DEBUG` and `MERPATI_FAULTS*`
are not settings. Plain data, no Django: every room above the engine may import this.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import socket
import ssl
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec

from merpati.control.place import ControlPlace, parse_url, place_of

FILE_NAME = "merpati.toml"
PREFIX = "MERPATI_"
MOST_WORKERS = 16  # one shard each
NOT_SETTINGS = frozenset({"MERPATI_DATA", "MERPATI_DEBUG", "MERPATI_FAULTS", "MERPATI_FAULTS_FILE"})

_DOMAIN = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)

SUPPORT_LOCAL_CHARACTERS = 27  # 64 at most (RFC 5321 4.5.3.1.1), of which "+TOKEN" takes 37
_SUPPORT_LOCAL = re.compile(r"[a-z0-9]([a-z0-9._-]{0,25}[a-z0-9])?")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


class SettingsError(Exception):
    """A setting is unknown or wrong; `message` says which one, where it stands and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class HostPort(NamedTuple):
    """A host and a TCP port; as text `host:port`, IPv6 literals in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str, default_port: int | None = None) -> HostPort:
    """Read `host:port`, `[IPv6]:port` or, with a default port, the host alone.

    Raises ValueError with a message for people.
    """
    if bracketed := re.fullmatch(r"\[([^\]]+)\](?::(\d*))?", text):
        host, port = bracketed.groups()
    elif text.count(":") > 1:  # a bare IPv6 literal leaves no room for a port
        host, port = text, None
    else:
        host, colon, after = text.partition(":")
        port = after if colon else None
    if port is None and default_port is not None:
        return HostPort(_known_host(host, text), default_port)
    if not port:
        raise ValueError(f"{text!r} must be HOST:PORT, an IPv6 address in brackets: [::1]:25")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} has no port between 0 and 65535")
    return HostPort(_known_host(host, text), int(port))


def _known_host(host: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        # A name of digits and dots alone is a mistyped address.
        if not _DOMAIN.fullmatch(host.lower()) or re.fullmatch(r"[\d.]+", host):
            raise ValueError(f"{text!r} names no host: give a name or an address") from None
        return host.lower()


def _check_listen(text: str) -> None:
    parse_host_port(text)


def _check_optional_listen(text: str) -> None:
    if text:
        parse_host_port(text)


def _check_server(text: str) -> None:
    parse_host_port(text, default_port=53)


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no network; write it as 10.0.0.0/8 or fd00::/8") from None


def _check_domain(text: str) -> None:
    if text and not _DOMAIN.fullmatch(text):
        raise ValueError(f"{text!r} is no domain name (lower case, ASCII)")


def _check_support_address(text: str) -> None:
    local, _, domain = text.rpartition("@")
    if text and not (
        _SUPPORT_LOCAL.fullmatch(local) and "." in domain and _DOMAIN.fullmatch(domain)
    ):
        raise ValueError(
            f"{text!r} must be an address such as support@kirim.example: lower case, at most "
            f"{SUPPORT_LOCAL_CHARACTERS} characters before the @ and no '+', which the desk adds"
        )


def _check_url(text: str) -> None:
    if text and not _ORIGIN.fullmatch(text):
        raise ValueError(f"{text!r} must be an address such as https://mail.kirim.example, no path")


def _check_database(text: str) -> None:
    if text:
        parse_url(text)


def _one_of(*choices: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if text not in choices:
            raise ValueError(f"{text!r} must be one of: {', '.join(choices)}")

    return check


def _check_authorities(text: str) -> None:
    if not text:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(text)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"{text!r} holds no certificates that can be read: {error}") from None


def _about(
    description: str,
    check: Callable[[str], None] | None = None,
    ge: int | None = None,
    le: int | None = None,
) -> msgspec.Meta:
    """Return what is known of a field; `check` is run on the text, or on each text of a list."""
    return msgspec.Meta(description=description, extra={"check": check}, ge=ge, le=le)


class ListenSettings(msgspec.Struct, frozen=True):
    """Where Merpati listens. Port 0 takes any free port; the ready line says which."""

    http: Annotated[str, _about("HTTP API and console, HOST:PORT", _check_listen)] = (
        "127.0.0.1:8080"
    )
    https: Annotated[
        str, _about("HTTP API and console over TLS, HOST:PORT; empty: off", _check_optional_listen)
    ] = ""
    submission: Annotated[
        str, _about("SMTP submission for customers, HOST:PORT", _check_listen)
    ] = "127.0.0.1:2587"
    submission_tls: Annotated[
        str, _about("SMTP submission, TLS first, HOST:PORT; empty: off", _check_optional_listen)
    ] = ""
    inbound: Annotated[
        str,
        _about(
            "SMTP for bounces, reports and the desk's mail from outside, HOST:PORT", _check_listen
        ),
    ] = "127.0.0.1:2525"


class MailSettings(msgspec.Struct, frozen=True):
    """Names that other mail servers see."""

    hostname: Annotated[
        str,
        _about("name of this host in greetings and certificates; empty: its own", _check_domain),
    ] = ""
    bounce_domain: Annotated[
        str, _about("domain of return paths; empty: bounces.<mail.hostname>", _check_domain)
    ] = ""


class ConsoleSettings(msgspec.Struct, frozen=True):
    """The pages for customers and the desk."""

    url: Annotated[
        str,
        _about("where people reach the console, as links in mail say; empty: here", _check_url),
    ] = ""
    second_factor: Annotated[
        str,
        _about(
            "who must sign in with a second factor: staff, everybody or nobody",
            _one_of("staff", "everybody", "nobody"),
        ),
    ] = "staff"
    trusted_proxies: Annotated[
        list[str],
        _about("networks of proxies whose X-Forwarded-For is believed", _check_network),
    ] = []


class DnsSettings(msgspec.Struct, frozen=True):
    """Where names are looked up."""

    servers: Annotated[
        list[str],
        _about("DNS servers, HOST or HOST:PORT; empty: the system's", _check_server),
    ] = []
    validating: Annotated[
        bool,
        _about("the DNS servers, all on this host, check DNSSEC: DANE records are followed"),
    ] = False


class DeliverySettings(msgspec.Struct, frozen=True):
    """How mail leaves."""

    workers: Annotated[
        int, _about("worker processes; 0: one per CPU core, at most 16", ge=0, le=16)
    ] = 0
    port: Annotated[int, _about("port of mailbox providers' mail servers", ge=1, le=65_535)] = 25
    connections: Annotated[
        int,
        _about(
            "connections per sending IP to a route, and the most to any mailbox provider",
            ge=1,
            le=1_000,
        ),
    ] = 20
    tls_authorities: Annotated[
        str,
        _about(
            "PEM file of authorities trusted besides the system's where a certificate counts",
            _check_authorities,
        ),
    ] = ""
    retry_seconds: Annotated[
        int, _about("wait before the first retry; doubles each time", ge=1, le=86_400)
    ] = 1_200
    expire_seconds: Annotated[
        int, _about("a message still undelivered after this bounces", ge=1, le=30 * 86_400)
    ] = 72 * 3_600
    late: Annotated[
        str,
        _about(
            "scheduled mail found late, as after an outage: send, hold or drop",
            _one_of("send", "hold", "drop"),
        ),
    ] = "send"
    late_seconds: Annotated[
        int, _about("so long after its moment scheduled mail is late", ge=60, le=7 * 86_400)
    ] = 3_600
    schedule_days: Annotated[
        int, _about("mail may be scheduled so many days ahead", ge=1, le=365)
    ] = 3


class DeskSettings(msgspec.Struct, frozen=True):
    """Support cases by email, and the sender of Merpati's own mail."""

    account: Annotated[
        str, _about("account that the desk's own mail is sent from, number or name; empty: none")
    ] = ""
    support_address: Annotated[
        str,
        _about(
            "address that customers write to, in a verified domain of desk.account; empty: no mail",
            _check_support_address,
        ),
    ] = ""


class RetentionSettings(msgspec.Struct, frozen=True):
    """How long mail that came in is kept. What is part of a case stays with the case."""

    inbound_days: Annotated[
        int, _about("bounces and reports, as they came in, are kept so long", ge=1, le=3_650)
    ] = 90
    desk_mail_days: Annotated[
        int,
        _about("the desk's mail that was filed or set aside is kept so long", ge=1, le=3_650),
    ] = 90


class SafetySettings(msgspec.Struct, frozen=True):
    """What Merpati refuses to do by itself."""

    allow_private: Annotated[
        list[str],
        _about("networks that mail may go to although they are not global", _check_network),
    ] = []


class SpoolSettings(msgspec.Struct, frozen=True):
    """Accepted mail on disk."""

    reserve_mb: Annotated[
        int, _about("free disk space below which nothing more is accepted, MiB", ge=0)
    ] = 256


class DatabaseSettings(msgspec.Struct, frozen=True):
    """Where accounts, domains, cases and all other control data are kept."""

    url: Annotated[
        str,
        _about(
            "PostgreSQL database, postgresql://USER@HOST:PORT/NAME; empty: a SQLite file in DIR",
            _check_database,
        ),
    ] = ""
    url_file: Annotated[
        str, _about("file that holds database.url, for a URL with a password; mode 0600")
    ] = ""


class LogSettings(msgspec.Struct, frozen=True):
    """What is logged, on stderr."""

    format: Annotated[
        str, _about("lines for people (text) or for programs (json)", _one_of("text", "json"))
    ] = "text"
    level: Annotated[
        str,
        _about(
            "info, or debug: also a line for each acceptance and attempt", _one_of("info", "debug")
        ),
    ] = "info"


class MetricsSettings(msgspec.Struct, frozen=True):
    """Who may read /metrics."""

    token: Annotated[
        str, _about("bearer token that /metrics wants; empty: this host's own callers alone")
    ] = ""


class TlsSettings(msgspec.Struct, frozen=True):
    """A certificate of your own; without one Merpati makes an authority and a certificate."""

    certificate: Annotated[
        str, _about("PEM file with the certificate chain; empty: DIR/tls/cert.pem, made here")
    ] = ""
    key: Annotated[str, _about("PEM file with its private key, mode 0600")] = ""


class Settings(msgspec.Struct, frozen=True):
    """All settings, checked."""

    listen: ListenSettings
    console: ConsoleSettings
    mail: MailSettings
    dns: DnsSettings
    delivery: DeliverySettings
    desk: DeskSettings
    retention: RetentionSettings
    safety: SafetySettings
    spool: SpoolSettings
    database: DatabaseSettings
    tls: TlsSettings
    metrics: MetricsSettings
    log: LogSettings

    @property
    def worker_count(self) -> int:
        """How many delivery workers run: as set, or one per core this process may use."""
        return self.delivery.workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)

    @property
    def console_url(self) -> str:
        """Where people reach the console, without a slash at the end: as set, or this host."""
        if self.console.url:
            return self.console.url
        listen = self.listen
        return f"https://{listen.https}" if listen.https else f"http://{listen.http}"


def control_place(data_dir: Path, environ: Mapping[str, str] = os.environ) -> ControlPlace:
    """Return where the control data of a data folder are. Raises SettingsError."""
    return place_of(data_dir, load(data_dir, environ).database.url)


class Setting(NamedTuple):
    """One row of the reference of settings."""

    name: str  # section.key
    type: str  # "text", "whole number", "true or false", "list of texts"
    default: Any
    description: str
    environment: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A setting's value and where it comes from: "default", a file's path, a variable, "flag"."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: Any  # as annotated: msgspec holds its limits
    default: Any
    description: str
    check: Callable[[str], None] | None

    @property
    def is_list(self) -> bool:
        return isinstance(self.default, list)

    @property
    def environment(self) -> str:
        return PREFIX + self.name.upper().replace(".", "__")


@dataclass(frozen=True, slots=True)
class _Given:
    """A value someone gave; is_text: from the environment, where "25" means 25."""

    name: str
    raw: Any
    origin: str
    is_text: bool = False


def load(
    data_dir: Path,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of a data folder; `overrides` are flags, `section.key` → value.

    An override of None means that the flag was not given. Raises SettingsError.
    """
    return _build({row.name: row.value for row in origins(data_dir, environ, overrides)})


def origins(
    data_dir: Path,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> list[Origin]:
    """Return each setting's value and where it comes from, in the reference's order."""
    fields = _fields()
    found = {
        name: Origin(name, list(field.default) if field.is_list else field.default, "default")
        for name, field in fields.items()
    }
    for given in _given(data_dir, environ, overrides or {}, fields):
        found[given.name] = Origin(given.name, _checked(fields[given.name], given), given.origin)
    _derive_names(found)
    _read_url_file(found)
    return list(found.values())


def shown(row: Origin) -> Any:
    """Return a setting's value as a person or a log may see it: without secrets."""
    if row.name == "database.url" and row.value:
        return str(parse_url(row.value))
    return "(set)" if row.name == "metrics.token" and row.value else row.value


def settings_reference() -> list[Setting]:
    """Return all settings, as the reference and `merpati config show` list them."""
    return [
        Setting(field.name, _type_name(field), field.default, field.description, field.environment)
        for field in _fields().values()
    ]


def _type_name(field: _Field) -> str:
    if field.is_list:
        return "list of texts"
    if isinstance(field.default, bool):
        return "true or false"
    return "whole number" if isinstance(field.default, int) else "text"


def _fields() -> dict[str, _Field]:
    fields = {}
    for section, struct in get_type_hints(Settings).items():
        hints = get_type_hints(struct, include_extras=True)
        for info in msgspec.structs.fields(struct):
            kind = hints[info.name]
            about: msgspec.Meta = get_args(kind)[1]
            default = [] if info.default is msgspec.NODEFAULT else info.default
            name = f"{section}.{info.name}"
            check = (about.extra or {}).get("check")
            fields[name] = _Field(name, kind, default, about.description or "", check)
    return fields


def _given(
    data_dir: Path,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
    fields: Mapping[str, _Field],
) -> Iterator[_Given]:
    """Yield what was given, the weakest origin first."""
    path = data_dir / FILE_NAME
    for name, value in _file_values(path, fields):
        yield _Given(name, value, str(path))
    by_variable = {field.environment: field for field in fields.values()}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        field = by_variable.get(variable)
        if field is None:
            raise SettingsError(_unknown(variable, "the environment", by_variable))
        yield _Given(field.name, environ[variable], variable, is_text=True)
    for name, value in overrides.items():
        if value is not None:
            yield _Given(name, value, "flag")


def _file_values(path: Path, fields: Mapping[str, _Field]) -> Iterator[tuple[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    for section, content in document.items():
        if not isinstance(content, dict):
            raise SettingsError(_unknown(section, str(path), fields))
        for key, value in content.items():
            name = f"{section}.{key}"
            if name not in fields:
                raise SettingsError(_unknown(name, str(path), fields))
            yield name, value


def _unknown(name: str, where: str, known: Mapping[str, Any]) -> str:
    message = f"unknown setting {name!r} in {where}"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:  # the key may be right and the section forgotten or wrong
        key = re.split(r"\.|__", name)[-1]
        close = [full for full in known if re.split(r"\.|__", full)[-1] == key]
    return f"{message}; did you mean {close[0]!r}?" if close else message


def _checked(field: _Field, given: _Given) -> Any:
    raw = given.raw
    if field.is_list and given.is_text:
        raw = [item.strip() for item in raw.split(",") if item.strip()]
    try:
        value = msgspec.convert(raw, field.type, strict=not given.is_text)
        if field.check is not None:
            for text in value if field.is_list else [value]:
                field.check(text)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"setting {field.name} ({given.origin}): {error}") from error
    return value


def _derive_names(found: dict[str, Origin]) -> None:
    """Fill in the names that follow from this host's own."""
    host = found["mail.hostname"]
    if not host.value:
        own = socket.gethostname().lower().strip(".")
        name = own if _DOMAIN.fullmatch(own) else "localhost"
        host = found["mail.hostname"] = Origin("mail.hostname", name, host.origin)
    bounces = found["mail.bounce_domain"]
    if not bounces.value:
        found["mail.bounce_domain"] = Origin(
            "mail.bounce_domain", f"bounces.{host.value}", bounces.origin
        )


def _read_url_file(found: dict[str, Origin]) -> None:
    """Take database.url from the file that database.url_file names."""
    file, url = found["database.url_file"], found["database.url"]
    if not file.value:
        return
    where = f"setting {file.name} ({file.origin})"
    if url.value:
        raise SettingsError(f"{where}: database.url is set as well ({url.origin}); keep one")
    try:
        text = Path(file.value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"{where}: {file.value} cannot be read: {reason}") from None
    try:
        parse_url(text)
    except ValueError as error:
        raise SettingsError(f"{where}: in {file.value}, {error}") from None
    found["database.url"] = Origin(url.name, text, file.value)


def _build(values: Mapping[str, Any]) -> Settings:
    document: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, key = name.split(".")
        document.setdefault(section, {})[key] = value
    return msgspec.convert(document, Settings)
