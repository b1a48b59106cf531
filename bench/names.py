"""The DNS of the rows that have one: many recipient domains on a few mailbox providers.

`python -m bench.names PROVIDERS DOMAINS [--hosts N]` serves it as a process of its own: domain n
belongs to provider n % PROVIDERS, whose N hosts of equal preference have the addresses of
`addresses_of`.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from merpati.sandbox.dns_server import DnsServer

_ROOT = Path(__file__).resolve().parent.parent


def domain(number: int) -> str:
    """Return a recipient domain."""
    return f"d{number}.example.net"


def addresses_of(provider: int, hosts: int) -> list[str]:
    """Return the addresses of a provider's hosts."""
    return [f"127.0.{1 + host}.{1 + provider}" for host in range(hosts)]


class Names:
    """The started server."""

    def __init__(self, providers: int, domains: int, hosts: int = 1) -> None:
        command = [sys.executable, "-m", "bench.names", str(providers), str(domains)]
        self.process = subprocess.Popen(
            [*command, "--hosts", str(hosts)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise ChildProcessError("the DNS server did not start")

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.names", description=__doc__)
    parser.add_argument("providers", type=int)
    parser.add_argument("domains", type=int)
    parser.add_argument("--hosts", type=int, default=1)
    wanted = parser.parse_args()
    with DnsServer() as server:
        for provider in range(wanted.providers):
            for host, address in enumerate(addresses_of(provider, wanted.hosts)):
                server.add(f"mx{host}.provider{provider}.example.org", "A", address)
        for number in range(wanted.domains):
            provider = number % wanted.providers
            hosts = [f"10 mx{h}.provider{provider}.example.org." for h in range(wanted.hosts)]
            server.add(domain(number), "MX", *hosts)
        print(server.address, flush=True)
        signal.sigwait([signal.SIGTERM, signal.SIGINT])


if __name__ == "__main__":
    main()
