"""D8: the system's own fsync fails, after the commit was written: refused is refused for good."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from merpati.adapters.clock import SystemClock
from merpati.spool.shard import Shard
from tests.spool.samples import LARGE, addresses

COMPILER = shutil.which("cc") or shutil.which("gcc")
HERE = Path(__file__).parent

REFUSED_AND_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shard import Shard
from tests.spool.samples import batch

async def main():
    shard = Shard(Path(sys.argv[1]), 0, SystemClock(), reserve_bytes=0)
    await shard.append(pack(batch(["kept@x.example"])))
    Path(os.environ["FAIL_SYNC"]).touch()
    try:
        await shard.append(pack(batch(["no@x.example"], content=b"c" * int(sys.argv[2]))))
    except SpoolUnavailable:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def failing_sync(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if COMPILER is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, on Linux")
    library = tmp_path_factory.mktemp("preload") / "failing_sync.so"
    source = HERE / "failing_sync.c"
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    return library


@pytest.mark.parametrize(
    "size", [pytest.param(10, id="small"), pytest.param(LARGE, id="in a file")]
)
def test_what_was_refused_is_not_found_at_the_next_start(
    failing_sync: Path, tmp_path: Path, size: int
) -> None:
    """D8: SQLite finds a whole commit in the log, though its sync failed and 503 was answered."""
    preloaded = {"LD_PRELOAD": str(failing_sync), "FAIL_SYNC": str(tmp_path / "fail")}
    done = subprocess.run(
        [sys.executable, "-c", REFUSED_AND_KILLED, str(tmp_path / "spool"), str(size)],
        env=os.environ | preloaded,
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    assert asyncio.run(addresses_in(tmp_path / "spool")) == ["kept@x.example"]
    assert list((tmp_path / "spool").glob("00/*")) == []


async def addresses_in(spool: Path) -> list[str]:
    shard = Shard(spool, 0, SystemClock(), reserve_bytes=0)
    try:
        return await addresses(shard)
    finally:
        await shard.close()
