"""Transmission ids never come twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from merpati.sending import transmission_id
from merpati.sending.transmission_id import TooManyProcesses, TransmissionIds


class StoppedClock:
    """Every id of a test falls into one millisecond."""

    def __init__(self, now: int = 1_772_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def elapsed(self) -> float:
        return 0.0


def test_processes_and_threads_get_different_ids_in_one_millisecond(tmp_path: Path) -> None:
    processes = [TransmissionIds(tmp_path, StoppedClock()) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(lambda n: processes[n % 3].next(), range(30_000)))
    assert len(set(ids)) == 30_000


@pytest.mark.parametrize("now", [1_772_000_000_000, 3_500_000_000_000])
def test_an_id_has_17_to_20_digits_and_fits_63_bits(tmp_path: Path, now: int) -> None:
    found = TransmissionIds(tmp_path, StoppedClock(now)).next()
    assert 17 <= len(found) <= 20
    assert int(found) < 2**63


def test_a_process_number_is_free_again_after_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transmission_id, "_PROCESS_BITS", 1)
    first, _second = (TransmissionIds(tmp_path, StoppedClock()) for _ in range(2))
    with pytest.raises(TooManyProcesses):
        TransmissionIds(tmp_path, StoppedClock())
    first.close()
    TransmissionIds(tmp_path, StoppedClock())
