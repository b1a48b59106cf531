"""The Prometheus text format: families of samples, escaped as it wants them.

Source: Prometheus, "Exposition formats", text-based format 0.0.4; "Metric and label naming".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")

Labels = Mapping[str, str]
NO_LABELS: Labels = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: a value, its labels, and what its name has behind the family's."""

    value: float
    labels: Labels = field(default_factory=dict)
    suffix: str = ""  # "_bucket", "_sum", "_count"


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name. kind: counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def histogram(
    bounds: Sequence[float], counts: Sequence[int], total: float, labels: Labels = NO_LABELS
) -> list[Sample]:
    """Return a histogram's samples: cumulative buckets, sum and count.

    counts: one for each bound and one for what is beyond, each observation counted once.
    """
    if len(counts) != len(bounds) + 1:
        raise ValueError(f"{len(bounds)} bounds need {len(bounds) + 1} counts, got {len(counts)}")
    samples, so_far = [], 0
    for bound, count in zip([*bounds, math.inf], counts, strict=True):
        so_far += count
        samples.append(Sample(so_far, {**labels, "le": _number(bound)}, "_bucket"))
    return [*samples, Sample(total, labels, "_sum"), Sample(so_far, labels, "_count")]


def exposition(families: Iterable[Family]) -> str:
    """Return the whole text; families without samples are left out.

    Raises ValueError for a name that Prometheus would refuse.
    """
    return "".join(line + "\n" for family in families for line in _lines(family))


def _lines(family: Family) -> list[str]:
    if not family.samples:
        return []
    if not _METRIC.fullmatch(family.name):
        raise ValueError(f"{family.name!r} is no name of a metric")
    about = family.help.replace("\\", r"\\").replace("\n", r"\n")
    head = [f"# HELP {family.name} {about}", f"# TYPE {family.name} {family.kind}"]
    return [*head, *(_line(family.name, sample) for sample in family.samples)]


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{_label(key)}="{_escaped(text)}"' for key, text in sample.labels.items())
    braces = f"{{{labels}}}" if labels else ""
    return f"{name}{sample.suffix}{braces} {_number(sample.value)}"


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a label")
    return name


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
