"""The Prometheus text format, to the letter."""

from __future__ import annotations

import math

import pytest

from merpati.adapters.exposition import Family, Sample, exposition, histogram


def text(*samples: Sample, kind: str = "gauge", about: str = "About.") -> list[str]:
    return exposition([Family("merpati_x", kind, about, samples)]).splitlines()


def test_a_family_has_its_help_its_type_and_its_samples() -> None:
    assert text(Sample(3), Sample(2.5, {"a": "b", "c": "d"})) == [
        "# HELP merpati_x About.",
        "# TYPE merpati_x gauge",
        "merpati_x 3",
        'merpati_x{a="b",c="d"} 2.5',
    ]


def test_the_text_ends_with_a_line_feed_and_leaves_out_empty_families() -> None:
    full = Family("merpati_x", "gauge", "About.", [Sample(1)])
    empty = Family("merpati_y", "gauge", "About.", [])
    assert (
        exposition([full, empty])
        == "# HELP merpati_x About.\n# TYPE merpati_x gauge\nmerpati_x 1\n"
    )
    assert exposition([]) == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param('say "hi"', r"say \"hi\"", id="quote"),
        pytest.param("a\nb", r"a\nb", id="line feed"),
        pytest.param("a\\nb", r"a\\nb", id="backslash"),
        pytest.param("Malmö {x}", "Malmö {x}", id="as it is"),
    ],
)
def test_label_values_are_escaped(value: str, written: str) -> None:
    assert text(Sample(1, {"a": value}))[-1] == f'merpati_x{{a="{written}"}} 1'


def test_help_escapes_backslash_and_line_feed_but_no_quote() -> None:
    assert text(Sample(1), about='a "b"\nc\\d')[0] == r'# HELP merpati_x a "b"\nc\\d'


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "1"), (0, "0"), (1e20, "100000000000000000000"), (0.1, "0.1"), (math.inf, "+Inf")],
)
def test_numbers(value: float, written: str) -> None:
    assert text(Sample(value))[-1] == f"merpati_x {written}"


def test_a_histogram_is_cumulative_and_ends_with_infinity() -> None:
    samples = histogram([0.5, 60.0], [2, 3, 1], 75.5, {"worker": "0"})
    assert text(*samples, kind="histogram")[1:] == [
        "# TYPE merpati_x histogram",
        'merpati_x_bucket{worker="0",le="0.5"} 2',
        'merpati_x_bucket{worker="0",le="60"} 5',
        'merpati_x_bucket{worker="0",le="+Inf"} 6',
        'merpati_x_sum{worker="0"} 75.5',
        'merpati_x_count{worker="0"} 6',
    ]


def test_a_histogram_with_a_bucket_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="2 bounds need 3 counts, got 2"):
        histogram([0.5, 60.0], [2, 3], 75.5)


@pytest.mark.parametrize("name", ["merpati-x", "1x", ""])
def test_names_prometheus_would_refuse_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a metric"):
        exposition([Family(name, "gauge", "About.", [Sample(1)])])


@pytest.mark.parametrize("label", ["a-b", "__name__", "1"])
def test_labels_prometheus_would_refuse_are_refused(label: str) -> None:
    with pytest.raises(ValueError, match="no name of a label"):
        text(Sample(1, {label: "x"}))
