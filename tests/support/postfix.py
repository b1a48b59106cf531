"""Debian's Postfix as a receiving mail server, with OpenDKIM as verifier, in a folder of its own.

No system service is touched: both run from private configuration and end with the test.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

POSTFIX_MASTER = Path("/usr/lib/postfix/sbin/master")
SERVICES = """\
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


def missing() -> str | None:
    """Return why Postfix cannot be run here, or None when it can."""
    if os.geteuid():
        return "Postfix needs root to start"
    if not POSTFIX_MASTER.exists():
        return "Debian package postfix is not installed"
    if not shutil.which("opendkim", path=f"{os.environ['PATH']}:/usr/sbin"):
        return "Debian package opendkim is not installed"
    return None


@dataclass(frozen=True)
class Postfix:
    """A running receiver; `port` accepts mail for `domain`, any user."""

    port: int
    folder: Path

    def messages(self) -> list[EmailMessage]:
        """Return what has been delivered so far, oldest first."""
        new = sorted((self.folder / "mail" / "box" / "new").glob("*"))
        return [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in new
        ]

    def log(self) -> str:
        """Return Postfix's log, for a failing test's message."""
        file = self.folder / "maillog"
        return file.read_text() if file.exists() else ""


@contextlib.contextmanager
def postfix(
    domain: str, public_keys: dict[str, str], relays: dict[str, int] | None = None
) -> Iterator[Postfix]:
    """Run Postfix + OpenDKIM until the block ends.

    public_keys: DKIM record by name, as the verifier shall find them in DNS; without any there is
    no verifier. relays: domains whose mail it passes on, each to a port of this host.
    """
    port = _free_port()
    processes = []
    # Not below pytest's tmp_path: Postfix's daemons run as `postfix` and must be able to walk to
    # their folder, and any other pytest that starts meanwhile closes that to all but root.
    with tempfile.TemporaryDirectory(prefix="merpati-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            if public_keys:
                processes.append(_start_opendkim(folder, public_keys))
            started = _start_postfix(folder, domain, port, relays or {}, bool(public_keys))
            processes.append(started)
            yield Postfix(port, folder)
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(20)


def _start_opendkim(folder: Path, public_keys: dict[str, str]) -> subprocess.Popen[bytes]:
    keys = folder / "public-keys"
    keys.write_text("".join(f"{name} {record}\n" for name, record in public_keys.items()))
    keys.chmod(0o644)
    socket_folder = folder / "milter"
    socket_folder.mkdir()
    shutil.chown(socket_folder, "opendkim")
    configuration = folder / "opendkim.conf"
    configuration.write_text(
        f"Mode v\nSocket local:{socket_folder}/dkim.sock\nUMask 000\nTestPublicKeys {keys}\n"
        "Syslog no\nBackground no\nUserID opendkim\nAlwaysAddARHeader yes\n"
        "AuthservID mx.receiver.example\n"
        # Mail from loopback would otherwise be taken for our own and not verified.
        "InternalHosts 192.0.2.99\n"
    )
    process = subprocess.Popen(["/usr/sbin/opendkim", "-f", "-x", str(configuration)])
    _wait((socket_folder / "dkim.sock").exists, process, "OpenDKIM")
    return process


def _start_postfix(
    folder: Path, domain: str, port: int, relays: dict[str, int], verifies: bool
) -> subprocess.Popen[bytes]:
    configuration, queue, data = folder / "etc", folder / "queue", folder / "data"
    mail = folder / "mail"
    for path in (configuration, queue, data, mail):
        path.mkdir()
    transports = ", ".join(f"{{ {name} = smtp:[127.0.0.1]:{to} }}" for name, to in relays.items())
    user = pwd.getpwnam("nobody")
    os.chown(mail, user.pw_uid, user.pw_gid)
    shutil.chown(data, "postfix")
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": queue,
        "data_directory": data,
        "command_directory": "/usr/sbin",
        "daemon_directory": "/usr/lib/postfix/sbin",
        "myhostname": "mx.receiver.example",
        "mydestination": "",
        "mynetworks": "192.0.2.99/32",
        "alias_maps": "",
        "alias_database": "",
        "local_recipient_maps": "",
        "virtual_mailbox_domains": domain,
        "relay_domains": " ".join(relays),
        "transport_maps": f"inline:{{{transports}}}" if relays else "",
        "smtp_dns_support_level": "disabled",
        "smtp_tls_security_level": "may",
        "smtp_tls_loglevel": "1",
        "virtual_mailbox_base": mail,
        "virtual_mailbox_maps": "static:box/",
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{user.pw_uid}",
        "virtual_gid_maps": f"static:{user.pw_gid}",
        "smtpd_milters": f"unix:{folder}/milter/dkim.sock" if verifies else "",
        "milter_default_action": "tempfail",
        "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_peername_lookup": "no",
        "maillog_file": folder / "maillog",
        "maillog_file_prefixes": f"{folder},/var,/dev/stdout",
        "biff": "no",
    }
    (configuration / "main.cf").write_text(
        "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    (configuration / "master.cf").write_text(SERVICES.format(address="127.0.0.1", port=port))
    for name in ("dynamicmaps.cf", "postfix-files"):
        if (found := Path("/etc/postfix") / name).exists():
            shutil.copy(found, configuration / name)
    subprocess.run(
        ["/usr/sbin/postfix", "-c", str(configuration), "check"], capture_output=True, check=False
    )
    process = subprocess.Popen(
        [str(POSTFIX_MASTER), "-c", str(configuration), "-d"],
        env={**os.environ, "MAIL_CONFIG": str(configuration)},
        stdout=subprocess.DEVNULL,
    )
    _wait(lambda: _answers(port), process, "Postfix")
    return process


def _wait(ready: object, process: subprocess.Popen[bytes], name: str) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}")
        if callable(ready) and ready():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not start within 20 s")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
