"""A supervisor over small programs: what its tests start instead of the whole service.

`python small_programs.py DIR NAME=BEHAVIOUR…`: `serve` listens on DIR/run/NAME.sock and stops at
SIGTERM; `chatty` says a megabyte first; `deaf` never listens; `broken` says why and ends;
`stubborn` ignores SIGTERM. They are run by DIR/python where that exists.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from merpati.runtime.addresses import Addresses
from merpati.runtime.paths import DataFolder
from merpati.runtime.process import set_up_log
from merpati.runtime.supervisor import Program, RunError, Supervisor, lock_folder
from merpati.settings import HostPort, LogSettings

SERVE = """
import signal, socket, sys
signal.signal(signal.SIGTERM, {on_term})
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    listener.accept()
"""
CODE = {
    "serve": SERVE.format(on_term="lambda *_: (print('told to stop', sys.argv[1]), sys.exit(0))"),
    "chatty": "for _ in range(16_384): print(63 * 'x')\n" + SERVE.format(on_term="signal.SIG_DFL"),
    "stubborn": SERVE.format(on_term="signal.SIG_IGN"),
    "deaf": "import time; print('busy with something else', flush=True); time.sleep(100)",
    "broken": "import sys; sys.exit('the disk is on fire')",
}


def program(folder: DataFolder, stage: int, name: str, behaviour: str) -> Program:
    socket = folder.run / f"{name}.sock"
    return Program(name, ["-u", "-c", CODE[behaviour], str(socket)], [socket], stage, 1.0)


def main() -> int:
    folder = DataFolder(Path(sys.argv[1]))
    folder.run.mkdir(exist_ok=True)
    if (interpreter := folder.root / "python").exists():
        sys.executable = str(interpreter)
    set_up_log("run", LogSettings())
    wanted = [program(folder, stage, *word.split("=")) for stage, word in enumerate(sys.argv[2:])]
    nowhere = HostPort("127.0.0.1", 1)
    with lock_folder(folder) as lock:
        supervisor = Supervisor(
            folder,
            wanted,
            addresses=Addresses(nowhere, nowhere, nowhere),
            workers=1,
            lock=lock,
            start_limit_seconds=2.0,
        )
        try:
            asyncio.run(supervisor.run(lambda: print("ready", flush=True)))
        except RunError as error:
            print(error.message, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
