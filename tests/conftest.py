"""What all tests share.

Skips for missing programs are counted where nobody overlooks them; no property test is judged by
its time, since tests share the machine.
"""

from __future__ import annotations

import hypothesis
import pytest

hypothesis.settings.register_profile("merpati", deadline=None)
hypothesis.settings.load_profile("merpati")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name at the very end what could not be tested on this machine."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = text.removeprefix("Skipped: ")
        reasons[text] = reasons.get(text, 0) + 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"NOT TESTED HERE ({count}): {reason}", yellow=True)
