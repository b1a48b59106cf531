"""Where the control data are: in a file of the data folder, or in a database of PostgreSQL.

Pure: nothing is opened here. A URL is written as libpq has it,
`postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full`; what it leaves out libpq takes from its
own places: a password from PGPASSFILE, an empty host is this machine's socket.

Source: https://www.postgresql.org/docs/15/libpq-connect.html, 34.1.1.2 and 34.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SQLITE_FILE = "control.sqlite3"
SCHEMES = ("postgresql", "postgres")
# What may follow the `?`; the rest is Merpati's to set.
PARAMETERS = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "passfile",
    "connect_timeout",
    "target_session_attrs",
)
EXAMPLE = "postgresql://merpati@db.example:5432/merpati"

CONNECT_SECONDS = 10
LOCK_SECONDS = 20  # for its turn to write a transaction waits as long as on SQLite
IDLE_IN_TRANSACTION_SECONDS = 120  # a program that hangs in a transaction lets others write again
LOST_SECONDS = 30  # a server that acknowledges nothing for so long is gone


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A file in the data folder."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A database of a PostgreSQL server; as text its URL, without the password."""

    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        at = f"{quote(self.user)}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        query = "&".join(f"{name}={quote(value)}" for name, value in self.parameters)
        return f"postgresql://{at}{host}{port}/{quote(self.name)}{'?' if query else ''}{query}"

    def session(self, *, is_long: bool = False) -> dict[str, Any]:
        """Return what libpq is told beside who and where: limits, and what the URL asks for.

        is_long: a transaction may be idle as long as it takes, while another database is written.
        """
        idle_seconds = 0 if is_long else IDLE_IN_TRANSACTION_SECONDS  # 0: without end
        return {
            "application_name": "merpati",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": LOST_SECONDS * 1000,
            "options": f"-c lock_timeout={LOCK_SECONDS}s "
            f"-c idle_in_transaction_session_timeout={idle_seconds}s",
            **dict(self.parameters),
        }

    def connection(self) -> dict[str, Any]:
        """Return all that psycopg's `connect` takes."""
        who = {"dbname": self.name, "user": self.user, "password": self.password}
        where = {"host": self.host, "port": self.port}
        return {name: value for name, value in (who | where).items() if value} | self.session()


ControlPlace = SqlitePlace | PostgresPlace


def place_of(data_dir: Path, url: str) -> ControlPlace:
    """Return where the control data of a data folder are. url: "" for its own file.

    Raises ValueError as `parse_url` does.
    """
    return parse_url(url) if url else SqlitePlace(data_dir / SQLITE_FILE)


def parse_url(text: str) -> PostgresPlace:
    """Read a database's URL. Raises ValueError with a message that quotes no password."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError(
            f"this is no URL with a host and a port; write it as {EXAMPLE}, and in a password "
            "# as %23, / as %2F, @ as %40"
        ) from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"it must begin with postgresql://, as {EXAMPLE}")
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ValueError(f"it must name one database after the host, as {EXAMPLE}")
    if parts.fragment:
        raise ValueError("it holds a #: in a password write that as %23")
    parameters = tuple(parse_qsl(parts.query, keep_blank_values=True))
    for parameter, _ in parameters:
        if parameter not in PARAMETERS:
            offered = ", ".join(PARAMETERS)
            raise ValueError(f"it has the parameter {parameter!r}; there are: {offered}")
    fields = [name, parts.username or "", parts.password or "", parts.hostname or ""]
    if any("\x00" in unquote(value) for value in fields):
        raise ValueError("it holds a NUL character")
    return PostgresPlace(
        name=name,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        host=unquote(parts.hostname or ""),
        port=port,
        parameters=parameters,
    )
