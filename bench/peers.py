"""The peer: Postfix, with OpenDKIM or alone, run from a scratch folder with its own configuration.

No service of the system is touched. Postfix syncs a queue file before it says 250, so both
systems give the same promise. The milter listens on a Unix socket, as Debian sets it up; on a TCP
socket delayed acknowledgements cost some 90 ms a message.
"""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench import machine, message
from bench.sink import CountingSink, ReadableSink
from harness.service import answers, free_port, wait_until

SELECTOR = "peer"
_MASTER = Path("/usr/lib/postfix/sbin/master")

# Service, type, private, unprivileged, chroot, wake-up, process limit, program: as in master(5).
_SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
showq unix n - n - - showq
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
"""


class PeerMissing(Exception):
    """The peer cannot run here; the text says why and what to do."""


def why_missing() -> str | None:
    """Return why the peer cannot run on this machine, or None when it can."""
    if os.geteuid() != 0:
        return "Postfix starts only as root"
    if not _MASTER.exists() or shutil.which("opendkim") is None:
        return "Postfix or OpenDKIM is missing; on Debian: apt-get install postfix opendkim"
    return None


class Postfix:
    """Postfix that accepts on a loopback port and relays to the sink, unsigned.

    certificate: key and certificate in one PEM file; with it both sides speak STARTTLS.
    """

    name = "Postfix"
    durability = "queue file synced before 250"

    def __init__(
        self,
        scratch: Path,
        sink_port: int,
        certificate: Path | None = None,
        processes: int = 100,
    ) -> None:
        if reason := why_missing():
            raise PeerMissing(reason)
        self.port = free_port()
        self._processes = processes
        self._folder = scratch / "postfix"
        self._sink_port = sink_port
        self._certificate = certificate
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Write the configuration anew, start the daemon and wait until mail is taken."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._folder.chmod(0o755)
        self._start_postfix()

    def _start_postfix(self) -> None:
        etc = self._folder / "etc"
        etc.mkdir()
        (self._folder / "spool").mkdir()
        (self._folder / "data").mkdir()
        os.chown(self._folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        settings = "".join(f"{name} = {value}\n" for name, value in self._settings().items())
        (etc / "main.cf").write_text(settings)
        listener = f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
        (etc / "master.cf").write_text(listener + _SERVICES)
        for name in ("dynamicmaps.cf", "postfix-files"):
            if Path("/etc/postfix", name).exists():
                shutil.copy(f"/etc/postfix/{name}", etc)
        subprocess.run(["postfix", "-c", etc, "check"], capture_output=True, check=False)
        self._spawn(str(_MASTER), "-c", str(etc), "-d", MAIL_CONFIG=str(etc))
        wait_until(lambda: answers(self.port), "Postfix", 40)

    def _settings(self) -> dict[str, str]:
        limit, relay = str(self._processes), f"[127.0.0.1]:{self._sink_port}"
        level = "may" if self._certificate else "none"
        return {
            "compatibility_level": "3.6",
            "queue_directory": f"{self._folder}/spool",
            "data_directory": f"{self._folder}/data",
            "maillog_file": f"{self._folder}/mail.log",
            "maillog_file_prefixes": f"{self._folder}, /var, /dev/stdout",
            "myhostname": "peer.example.com",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            # Everything goes to the sink; no DNS, no local users.
            "relayhost": relay,
            "smtp_dns_support_level": "disabled",
            "smtpd_peername_lookup": "no",
            "smtp_tls_security_level": level,
            "smtpd_tls_security_level": level,
            "smtpd_tls_chain_files": str(self._certificate or ""),
            "smtp_tls_connection_reuse": "yes" if self._certificate else "no",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "local_header_rewrite_clients": "",
            "biff": "no",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject",
            # As fast as it can: many processes at once, connections reused, no brakes.
            "default_process_limit": limit,
            "default_destination_concurrency_limit": limit,
            "initial_destination_concurrency": "20",
            "default_destination_recipient_limit": "1",
            "qmgr_message_active_limit": "20000",
            "in_flow_delay": "0",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_event_limit_exceptions": "static:all",
            "smtp_connection_cache_destinations": "127.0.0.1",
            "smtp_connection_cache_on_demand": "yes",
        }

    def _spawn(self, *command: str, **environment: str) -> None:
        with (self._folder / "output.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
            )
        self._started.append(process)

    def roots(self) -> list[int]:
        """Return the pids whose trees are this peer."""
        return [process.pid for process in self._started]

    def usage(self) -> machine.Usage:
        """Return what the daemons and all they started have used so far."""
        return machine.usage(*self.roots())

    def close(self) -> None:
        """Stop the daemons and whatever they leave behind."""
        members = machine.tree(*self.roots())
        for process in reversed(self._started):
            process.terminate()
        for process in reversed(self._started):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # Postfix's children end by themselves soon after their master.
        machine.reap(set(members) - set(self.roots()))


class PostfixOpenDkim(Postfix):
    """Postfix and OpenDKIM: signed; mail for the probe's domain goes to a sink that can be read."""

    name = "Postfix + OpenDKIM"

    def __init__(self, scratch: Path, sink: CountingSink, reader: ReadableSink) -> None:
        super().__init__(scratch, sink.port)
        self._reader = reader
        self.dkim_record = ""

    def _start_postfix(self) -> None:
        self._start_opendkim()
        super()._start_postfix()

    def _start_opendkim(self) -> None:
        sockets = self._folder / "milter"
        sockets.mkdir()
        shutil.chown(sockets, "opendkim")
        key = rsa.generate_private_key(65537, 2048)
        key_file = self._folder / "dkim.pem"
        key_file.touch(0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        self.dkim_record = dkim_record(key.public_key())
        options = {
            "Socket": f"local:{sockets}/dkim.sock",
            "UMask": "000",
            "Mode": "s",
            "Domain": message.SENDING_DOMAIN,
            "Selector": SELECTOR,
            "KeyFile": str(key_file),
            "Canonicalization": "relaxed/relaxed",
            "SignatureAlgorithm": "rsa-sha256",
            "InternalHosts": "127.0.0.0/8",
            "OversignHeaders": "From",
            "RequireSafeKeys": "no",
            "UserID": "opendkim",
            "Background": "no",
            "Syslog": "no",
        }
        file = self._folder / "opendkim.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        self._spawn("opendkim", "-f", "-x", str(file))

    def _settings(self) -> dict[str, str]:
        probe = f"{message.PROBE_DOMAIN}=smtp:[127.0.0.1]:{self._reader.port}"
        return {
            **super()._settings(),
            "transport_maps": f"inline:{{ {probe} }}",
            "smtpd_milters": f"unix:{self._folder}/milter/dkim.sock",
            "non_smtpd_milters": "",
            "milter_default_action": "tempfail",
        }


def dkim_record(key: rsa.RSAPublicKey) -> str:
    """Return the TXT record that publishes a DKIM key, RFC 6376 section 3.6.1."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
