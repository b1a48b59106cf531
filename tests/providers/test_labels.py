"""Labels of providers in metrics: few, whatever domains people send to."""

from __future__ import annotations

import pytest

from merpati.providers.labels import label_of


@pytest.mark.parametrize(
    ("provider", "label"),
    [
        pytest.param("google.com", "google", id="by MX domain"),
        pytest.param("google", "google", id="by name"),
        pytest.param("route:10.0.0.1:25", "route:10.0.0.1:25", id="the operator's own route"),
        pytest.param("somebody.example", "other", id="anybody else"),
        pytest.param("", "other", id="nobody"),
    ],
)
def test_providers_have_labels_of_a_bounded_list(provider: str, label: str) -> None:
    assert label_of(provider) == label
