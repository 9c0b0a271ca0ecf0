"""A grade by the published method of MDN's HTTP Observatory, measured beside the harness's own checks."""

import pytest

from harness.testing.probes import Scan, ask_cors, grade, why_not_due

STRANGER = "https://stranger.example"


@pytest.mark.check(
    "observatory.grade",
    severity="trivial",
    source="MDN HTTP Observatory, algorithm 5",
    subject="GET {page_path}",
    why="A number that others know; what it takes points for stands in the findings of headers, CSP, CORS and cookies.",
    remedy="See the results that take points, in the evidence of observatory.score.",
)
def test_the_page_is_graded(client, page_path, stack_info, measure):
    answer = client.exchange("GET", page_path)
    reason = why_not_due(answer, "document")
    if reason:
        pytest.skip(reason)
    # without TLS there is nothing that HSTS or a redirection to TLS could be
    secure = stack_info.url.startswith("https:")
    found = grade(
        Scan(answer=answer, cors=ask_cors(client, page_path, STRANGER).simple, route=()), with_transport=secure
    )
    measure(
        "observatory.score",
        found.score,
        unit="points",
        statistic="score",
        interval=(found.score, found.score),
        n=len(found.results),
        method="MDN HTTP Observatory" + ("" if secure else ", without HSTS and redirection, which need TLS"),
        grade=found.letter,
        results=list(found.results),
    )
