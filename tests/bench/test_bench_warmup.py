"""The warm-up benchmark on a tiny family: it runs, it repeats, and the controller leads."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.warmup import __main__ as benchmark
from bench.warmup.policies import POLICIES
from bench.warmup.score import oracle_course, score, scored, summary
from merpati.reputation.course import run
from merpati.reputation.provider_family import family

OURS, SIMPLE, STAGES = "Merpati", "multiplicative, with memory", "SparkPost's stages"


def test_the_controller_is_no_worse_than_it_was() -> None:
    """Of the tuning half; the bounds leave room for chance, not for a step back."""
    members = family("tuning")[:24]
    oracles = [oracle_course(member) for member in members]
    figures = {
        name: summary(
            [
                score(member, POLICIES[name](), oracle)
                for member, oracle in zip(members, oracles, strict=True)
            ]
        )
        for name in (OURS, SIMPLE, STAGES)
    }
    ours = figures[OURS]
    assert ours.median_days <= 1.35
    assert ours.refused <= 0.012
    assert ours.clean >= 0.35
    assert ours.never <= 2 / 24
    for name in (SIMPLE, STAGES):
        assert ours.median_days < figures[name].median_days
        assert ours.refused < figures[name].refused
        assert ours.clean > 1.5 * figures[name].clean


def test_a_course_repeats() -> None:
    member = family("tuning")[3]
    assert run(member, POLICIES[OURS](), 15) == run(member, POLICIES[OURS](), 15)


def test_the_oracle_is_the_measure() -> None:
    for member in family("tuning")[:5]:
        oracle = oracle_course(member)
        figures = scored(oracle, oracle, member.mailing.target)
        assert figures.days == 1
        assert figures.clean == 1
        assert figures.refused < 0.05


def test_the_command_prints_a_table_a_document_and_plots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--half", "tuning", "--size", "4"]
    benchmark.main([*arguments, "--plots", str(tmp_path)])
    table = capsys.readouterr().out
    for name in POLICIES:
        assert f"| {name} |" in table
    for name in ("conquered", "ordinary", "slow"):
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    benchmark.main([*arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"tuning"}
    assert len(document["tuning"][OURS]["providers"]) == 2
