"""The data folder: every path under DIR, named once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from merpati.adapters import file_store
from merpati.control.place import SQLITE_FILE
from merpati.desk.mail import drop


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where one Merpati keeps everything it has."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """The operator's settings, `merpati.toml`; may be missing."""
        return self.root / "merpati.toml"

    @property
    def secret_key(self) -> Path:
        """The key that encrypts secrets at rest; mode 0600."""
        return self.root / "secret.key"

    @property
    def control(self) -> Path:
        """The control database, unless `database.url` names another."""
        return self.root / SQLITE_FILE

    @property
    def events(self) -> Path:
        """The event store, written by the recorder alone."""
        return self.root / "events.sqlite3"

    @property
    def spool(self) -> Path:
        """The folder of the shards."""
        return self.root / "spool"

    @property
    def files(self) -> Path:
        """Attachments of cases and the mail that came in for the desk, by digest."""
        return self.root / file_store.FOLDER

    @property
    def incoming(self) -> Path:
        """Mail for the desk that nobody has read yet."""
        return self.root / drop.FOLDER

    @property
    def policy(self) -> Path:
        """The current sending policy."""
        return self.root / "policy.msgpack"

    @property
    def hold(self) -> Path:
        """There while all delivery is held; says why."""
        return self.root / "hold.json"

    @property
    def tls(self) -> Path:
        """The authority and certificate that Merpati makes for itself."""
        return self.root / "tls"

    @property
    def run(self) -> Path:
        """Sockets and state of the running processes; mode 0700."""
        return self.root / "run"

    @property
    def state(self) -> Path:
        """What `merpati run` started: pids, workers, addresses."""
        return self.run / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the running supervisor: one per folder."""
        return self.run / "run.lock"

    @property
    def setup_lock(self) -> Path:
        """Held while the folder is prepared, so that two commands at once both work."""
        return self.root / ".setup.lock"

    @property
    def trim_lock(self) -> Path:
        """Held by a backup, so that the recorder leaves the journals whole meanwhile."""
        return self.run / "trim.lock"

    @property
    def clock_socket(self) -> Path:
        """Where the clock process answers status."""
        return self.run / "clock.sock"

    def deliver_socket(self, worker: int) -> Path:
        """Return where delivery worker `worker` (0, 1, …) takes calls."""
        return self.run / f"deliver-{worker}.sock"
