"""`python -m bench.desk.pages --data DIR`: how long each page of a filled desk takes.

Runs on one core, in one process, as the web process would answer. Prints one line of JSON a page:
the median and the slowest of some requests in ms, CPU time (ours; of PostgreSQL the mean, since its
clock is coarse), and the number of queries. CPU time tells something on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WARM_UPS, REQUESTS = 2, 15
Work = Callable[[], object]


def main() -> None:
    """Fill or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fill", type=int, metavar="CASES", help="write the desk instead")
    given = parser.parse_args()
    from merpati.runtime.setup import setup  # noqa: PLC0415

    setup(given.data)
    if given.fill:
        from bench.desk.filling import fill  # noqa: PLC0415 - needs Django set up

        for done in fill(given.fill, datetime.now(UTC)):
            print(done, flush=True)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name, work in _works(given.data):
        print(json.dumps({"page": name, **_measured(work)}), flush=True)


def _works(data: Path) -> Iterator[tuple[str, Work]]:
    """Yield what is measured: what pages are made from, then the pages that there are."""
    from django.db.models import Max  # noqa: PLC0415 - needs Django set up

    from bench.desk.filling import OWNER, STAFF  # noqa: PLC0415
    from merpati.accounts.models import Account  # noqa: PLC0415
    from merpati.desk import case_document  # noqa: PLC0415
    from merpati.desk.case_search import Wanted, any_case  # noqa: PLC0415
    from merpati.desk.models import Case, CaseUpdate  # noqa: PLC0415
    from merpati.desk.service_report import report_of  # noqa: PLC0415
    from merpati.runtime.web import build_application  # noqa: PLC0415

    now = datetime.now(UTC)
    month = now.date().replace(day=1)
    account = Account.objects.earliest("pk")
    newest = Case.objects.aggregate(newest=Max("number"))["newest"]
    old = newest // 2
    own = Case.objects.filter(account=account, status="open").latest("number").pk
    words = sorted(CaseUpdate.objects.filter(case=old).latest("pk").text.split())
    common, rare = words[0], words[-1]  # as `filling.py` chooses them from its vocabulary
    yield "queue of all", lambda: Wanted(is_resolved=False).queue(50)
    yield "queue of one", lambda: Wanted(representative=STAFF, is_resolved=False).queue(50)
    yield "newest cases", lambda: Wanted().page(50)
    yield "cases of an account", lambda: Wanted(account_id=account.pk).page(50, before=old)
    yield "search, rare word", lambda: Wanted(words=rare).page(50)
    yield "search, common word", lambda: Wanted(words=common).page(50)
    yield "search, two words", lambda: Wanted(words=f"{rare} {common}").page(50)
    yield "search, open ones", lambda: Wanted(words=common, is_resolved=False).page(50)
    yield "search, beginning", lambda: Wanted(words=f"{rare[:3]}*").page(50)
    yield (
        "search, own account",
        lambda: Wanted(words=common, account_id=account.pk, is_visible=True).page(50),
    )
    yield "search, nothing", lambda: Wanted(words=f"{rare} zzzzzz").page(50)
    yield "one case", lambda: case_document.for_desk(any_case(old), now)
    yield "report of a month", lambda: report_of(account, month, now, 50)
    build_application(data, 1)
    owners = ("/", "/cases", f"/cases?q={common}", "/cases/new", f"/cases/{own}", "/contact")
    searches = ("/desk/cases", f"/desk/cases?q={rare}", f"/desk/cases?q={common}")
    others = ("/desk", "/desk?who=all", f"/desk/cases/{own}", f"/desk/accounts/{account.pk}")
    report = f"/desk/reports/service?account={account.pk}&month={month:%Y-%m}"
    yield from _pages("owner", OWNER, owners)
    yield from _pages("staff", STAFF, (*others, *searches, "/desk/mail", report))


def _pages(who: str, email: str, paths: Sequence[str]) -> Iterator[tuple[str, Work]]:
    """Yield pages as one who is signed in, and has agreed to all that is asked first, gets them."""
    from django.test import Client  # noqa: PLC0415 - needs Django set up

    from merpati.accounts.models import User  # noqa: PLC0415
    from tests.support.gates import pass_gates  # noqa: PLC0415

    client = Client()
    backend = "allauth.account.auth_backends.AuthenticationBackend"
    client.force_login(User.objects.get(email=email), backend=backend)
    session = client.session
    pass_gates(session)
    session.save()
    for path in paths:
        yield f"{who} {path}", _get(client, path)


def _get(client: Any, path: str) -> Work:
    def get() -> object:
        answer = client.get(path)
        assert answer.status_code == 200, answer
        return answer

    return get


def _measured(work: Work) -> dict[str, Any]:
    from django.db import connection  # noqa: PLC0415 - needs Django set up
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as queries:
        work()
    count = len(queries)  # before others are counted
    for _ in range(WARM_UPS):
        work()
    walls, cpus = [], []
    server_before = _server_cpu_ms(connection)
    for _ in range(REQUESTS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return {
        "ms": statistics.median(walls),
        "slowest_ms": max(walls),
        "cpu_ms": statistics.median(cpus),
        "server_cpu_ms": (_server_cpu_ms(connection) - server_before) / REQUESTS,
        "queries": count,
    }


def _server_cpu_ms(connection: Any) -> float:
    """Return the CPU time that PostgreSQL has spent on this connection; SQLite's is our own."""
    if connection.vendor != "postgresql":
        return 0.0
    stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return 1000 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
