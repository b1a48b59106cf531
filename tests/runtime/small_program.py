"""A program of one behaviour, in the place of a process of the service.

`serve` listens on a Unix socket and stops at SIGTERM; `chatty` says a megabyte first; `deaf` never
listens; `broken` says why and ends; `stubborn` ignores SIGTERM. Its main() takes behaviour and
socket from the command line.
"""

from __future__ import annotations

import signal
import socket
import sys
import time


def main() -> None:
    behaviour, path = sys.argv[1:]
    match behaviour:
        case "broken":
            sys.exit("the disk is on fire")
        case "deaf":
            print("busy with something else", flush=True)
            time.sleep(100)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "chatty":
            for _ in range(16_384):
                print(63 * "x")
        case "serve":
            signal.signal(signal.SIGTERM, lambda *_: _stop(path))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        listener.accept()


def _stop(path: str) -> None:
    print("told to stop", path, flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
