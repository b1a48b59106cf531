"""`GET /api/merpati/v1/problems/{slug}`: what a problem document's `type` leads to."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from merpati.adapters import codec
from merpati.api.call import json_response
from merpati.api.errors import PROBLEMS, refusal
from merpati.api.own.problem_types import PROBLEM_TYPES, ProblemType


def list_all(request: HttpRequest) -> HttpResponse:
    """Return all types of problem."""
    shown = [_shown(slug, problem) for slug, problem in PROBLEM_TYPES.items()]
    return json_response(codec.json_bytes({"results": shown}))


def show(request: HttpRequest, slug: str) -> HttpResponse:
    """Return one type of problem."""
    problem = PROBLEM_TYPES.get(slug)
    if problem is None:
        raise refusal(404, f"There is no problem type '{slug[:100]}'.", problem="not-found")
    return json_response(codec.json_bytes({"results": _shown(slug, problem)}))


def _shown(slug: str, problem: ProblemType) -> dict[str, str]:
    return {"type": PROBLEMS + slug, "title": problem.title, "what_to_do": problem.what_to_do}
