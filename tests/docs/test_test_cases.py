"""docs/testing.md tells which faults and attacks have tests, and where: no more, no less.

A test says in its docstring which cases it covers; a dialogue in its line `case`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASE = re.compile(r"\b[CDSRHTFMWXLZ]\d{1,2}\b")
CLAUSE = re.compile(r"clauses? C\d+(?:(?:, | and )C\d+)*", re.IGNORECASE)  # of the service: no case
ROW = re.compile(r"^\| ([A-Z]\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def claims() -> Iterator[tuple[str, str]]:
    """Yield case and file for each docstring and dialogue that names one."""
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            # A helper's docstring may speak of a case; only what pytest runs covers it.
            if isinstance(node, ast.Module) or node.name.startswith("test_"):
                told = CLAUSE.sub("", ast.get_docstring(node) or "")
                for case in CASE.findall(told):
                    yield case, str(file.relative_to(ROOT / "tests"))
    for file in (ROOT / "tests").rglob("dialogues/*.txt"):
        for case in re.findall(r'^case = "(\w+)"$', file.read_text(), re.MULTILINE):
            yield case, f"{file.parent.relative_to(ROOT / 'tests')}/"


def test_the_table_of_cases_names_the_files_that_test_them() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for case, file in claims():
        found[case].add(file)
    page = (ROOT / "docs" / "testing.md").read_text()
    told = {case: set(re.findall(r"`([^`]+)`", where)) for case, where in ROW.findall(page)}
    assert told == dict(found)


def test_the_dialogue_that_the_page_shows_is_played() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    shown = "\n".join(re.findall(r"^ {4}(.*)$", page, re.MULTILINE)) + "\n"
    files = (ROOT / "tests" / "journeys" / "dialogues").glob("*.txt")
    assert shown in {file.read_text() for file in files}
