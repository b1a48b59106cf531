"""A supervisor over small programs: what its tests start instead of the whole service.

`python small_programs.py nursery|interpreter DIR NAME=BEHAVIOUR…`: behaviours and module as in
`small_program.py`, each with the socket DIR/run/NAME.sock. The interpreter is DIR/python where that
exists.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from merpati.runtime.addresses import Addresses
from merpati.runtime.nursery import nursery_where_possible
from merpati.runtime.paths import DataFolder
from merpati.runtime.process import set_up_log
from merpati.runtime.supervisor import Program, RunError, Supervisor, lock_folder
from merpati.settings import HostPort, LogSettings


def program(folder: DataFolder, stage: int, name: str, behaviour: str) -> Program:
    socket = folder.run / f"{name}.sock"
    return Program(name, "small_program", [behaviour, str(socket)], [socket], stage, 1.0)


def main() -> int:
    way, folder = sys.argv[1], DataFolder(Path(sys.argv[2]))
    folder.run.mkdir(exist_ok=True)
    if (interpreter := folder.root / "python").exists():
        sys.executable = str(interpreter)
    set_up_log("run", LogSettings())
    wanted = [program(folder, stage, *word.split("=")) for stage, word in enumerate(sys.argv[3:])]
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where interpreters find it
    nowhere = HostPort("127.0.0.1", 1)
    with (
        lock_folder(folder) as lock,
        nursery_where_possible(["small_program"]) if way == "nursery" else nullcontext() as nursery,
    ):
        supervisor = Supervisor(
            folder,
            wanted,
            addresses=Addresses(nowhere, nowhere, nowhere),
            workers=1,
            lock=lock,
            nursery=nursery,
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
