"""The pytest plugin in real sessions: what each way for a test to end leaves as evidence, whoever runs it."""

from __future__ import annotations

import json
import re

import pytest

from harness.run import load_record
from tests.suite_session import Bench, Ended

OUTCOMES = """
import threading
import warnings
from pathlib import Path

import pytest

from harness.model import Observation, Outcome


@pytest.fixture
def broken():
    raise RuntimeError("the fixture broke")


@pytest.fixture
def careful():
    assert 1 + 1 == 2


@pytest.fixture
def breaks_at_the_end():
    yield
    raise RuntimeError("the teardown broke")


@pytest.fixture
def measures_at_the_end(measure):
    yield
    measure("probe.late", 1.0, unit="s", statistic="max", interval=(1, 1), n=1)


@pytest.mark.check("probe.passes", severity="high", source="RFC 9110")
def test_passes(client):
    assert client.get("/live").status_code == 200
    assert client.last.status == 200


@pytest.mark.check("probe.fails")
def test_fails(client):
    client.get("/live", headers={"Authorization": "Bearer very-secret-token"})
    assert client.get("/missing").status_code == 404, "nothing should lie there"


@pytest.mark.check("probe.named", subject="GET /live")
def test_fails_for_its_subject(client):
    statuses = [client.exchange(method, "/live").status for method in ("GET", "OPTIONS")]
    assert statuses == [], "it is of what GET is answered"


def test_error_in_fixture(broken):
    assert True


def test_assertion_in_fixture_alone(careful):
    pass


@pytest.mark.check("probe.skips")
def test_skips():
    pytest.skip("nothing to try here")


def test_without_assertion(client):
    client.get("/")


def test_raises():
    with pytest.raises(ZeroDivisionError):
        1 / 0


def test_raises_another():
    with pytest.raises(ZeroDivisionError):
        pass


def test_warns():
    with pytest.warns(UserWarning, match="careful"):
        warnings.warn("careful", stacklevel=1)


def test_measures(measure):
    measure("probe.ratio", 0.12, unit="ratio", statistic="median", interval=(0.1, 0.14), n=100, path="/x")


def test_measures_late(measures_at_the_end):
    assert True


def test_records(record):
    record(Observation(suite="probe", check="probe.seen", subject="a thing", outcome=Outcome.PASS, value=3, unit="s"))


@pytest.mark.check("probe.subjects", subject="GET {where}")
@pytest.mark.parametrize("where", ["/a", "/b"])
def test_subjects(client, where):
    assert client.get(where).status_code == 200


@pytest.mark.parametrize(("first", "second"), [(1, "x"), (2, "y")])
def test_pairs(first, second):
    assert first


def test_teardown(breaks_at_the_end):
    assert True


@pytest.mark.xfail(reason="known since 2025")
def test_known():
    assert False


@pytest.mark.xfail(reason="known since 2025")
def test_mended():
    assert True


@pytest.mark.timeout(0.5)
def test_slow():
    threading.Event().wait(30)
    assert True


def test_crashes():
    assert {}["missing"]


def test_tells_secrets(client, learn_secret, stack_info):
    learn_secret(["learned-while-testing"])
    print("printed learned-while-testing")
    seen = client.get("/").json()["SECRET_KEY"]
    Path("the-secret").write_text(seen)
    assert seen == "learned-while-testing", f"the service says {seen}, expected learned-while-testing"


@pytest.mark.parametrize("word", ["learned-before-it-ran"])
def test_skips_with_a_secret(learn_secret, word):
    learn_secret(["whispered"])
    pytest.skip("because of whispered")
"""

MODES = [(how, workers) for how in ("by hand", "in the gate") for workers in (0, 2)]


@pytest.fixture(scope="module", params=MODES, ids=[f"{how}, {workers} workers" for how, workers in MODES])
def ended(request, tmp_path_factory) -> Ended:
    """One session with every outcome, run in each way."""
    bench = Bench(tmp_path_factory.mktemp("bench"))
    bench.suite(OUTCOMES)
    return bench.run_as(*request.param, "--alluredir", str(bench.folder / "allure"))


def test_a_run_is_whole_and_tells_what_was_collected(ended):
    assert ended.status == 1
    record = load_record(ended.run)
    assert record.integrity.problems == ()
    assert record.integrity.state == "finished"
    assert len(record.collected) == 24
    assert {line["test"] for line in ended.lines} == set(record.collected)


def test_a_pass_names_check_severity_and_source_and_counts_assertions(ended):
    line = ended.the("probe.passes")
    assert (line["outcome"], line["suite"], line["subject"]) == ("pass", "probe", "test_passes")
    assert line["detail"] == {
        "assertions": 2,
        "requests": 1,
        "severity": "high",
        "source": "RFC 9110",
        "attempt": 1,
    } | {name: line["detail"][name] for name in ("waited_s",) if name in line["detail"]}


def test_a_fail_shows_what_was_expected_what_came_and_how_to_repeat_it(ended):
    line = ended.the("probe.fails")
    assert line["outcome"] == "fail"
    assert line["detail"]["message"] == "nothing should lie there"
    assert line["detail"]["pytest_words"].startswith("assert 200 == 404")
    assert line["detail"]["observed"]["status"] == 200
    first, second = line["detail"]["curl"]
    assert re.fullmatch(r'curl -sS -i -H "Authorization: Bearer \$TOKEN" http://127\.0\.0\.1:\d+/live', first)
    assert re.fullmatch(r"curl -sS -i http://127\.0\.0\.1:\d+/missing", second)
    assert "the last requests, to repeat" in ended.out
    assert first in ended.out
    assert second in ended.out


def test_what_repeats_a_fail_ends_with_the_request_that_its_subject_names(ended):
    assert "OPTIONS" not in ended.the("probe.named")["detail"]["curl"][-1]


@pytest.mark.parametrize(
    ("check", "outcome", "reason"),
    [
        ("probe.error_in_fixture", "error", "the test itself crashed"),
        ("probe.assertion_in_fixture_alone", "error", "the test executed no assertion, so it proved nothing"),
        ("probe.without_assertion", "error", "the test executed no assertion, so it proved nothing"),
        ("probe.skips", "skip", "nothing to try here"),
        ("probe.raises", "pass", None),
        ("probe.raises_another", "fail", None),
        ("probe.warns", "pass", None),
        ("probe.known", "skip", "known since 2025"),
        ("probe.mended", "error", "it was expected to fail, and passed"),
        ("probe.slow", "error", "the test's own time-out"),
        ("probe.crashes", "error", "the test itself crashed"),
    ],
)
def test_each_way_to_end_has_its_outcome(ended, check, outcome, reason):
    line = ended.the(check)
    assert (line["outcome"], line["detail"].get("reason")) == (outcome, reason)
    assert "superseded" not in line["detail"]


def test_a_teardown_that_fails_is_an_error_after_the_pass(ended):
    passed, failed = ended.of("probe.teardown")
    assert (passed["outcome"], failed["outcome"]) == ("pass", "error")
    assert failed["detail"]["reason"] == "its teardown failed"
    assert "the teardown broke" in failed["detail"]["message"]


def test_measured_evidence_has_statistic_interval_level_and_method(ended):
    line = ended.the("probe.ratio")
    assert (line["outcome"], line["value"], line["unit"], line["n"]) == ("measured", 0.12, "ratio", 100)
    facts = {"statistic": "median", "interval": [0.1, 0.14], "level": 0.95, "method": "", "path": "/x", "attempt": 1}
    assert line["detail"] == facts
    assert ended.the("probe.measures")["outcome"] == "pass"
    assert ended.the("probe.late")["value"] == 1.0


def test_what_an_instrument_observed_is_recorded_as_it_is(ended):
    line = ended.the("probe.seen")
    assert (line["subject"], line["outcome"], line["value"], line["unit"]) == ("a thing", "pass", 3, "s")
    assert line["test"].endswith("::test_records")
    assert ended.the("probe.records")["outcome"] == "pass"


def test_parameters_name_the_subject(ended):
    assert sorted(line["subject"] for line in ended.of("probe.subjects")) == ["GET /a", "GET /b"]
    assert sorted(line["subject"] for line in ended.of("probe.pairs")) == ["1 x", "2 y"]


def test_no_secret_is_in_any_file_nor_on_the_terminal(ended):
    line = ended.the("probe.tells_secrets")
    assert line["outcome"] == "fail"
    assert "the service says ***, expected ***" in line["detail"]["message"]
    assert ended.the("probe.skips_with_a_secret")["detail"]["reason"] == "because of ***"
    allure = [file for file in (ended.run.parents[2] / "allure").rglob("*") if file.is_file()]
    assert len(allure) > 20
    texts = {file: file.read_text(errors="replace") for file in [*ended.files(), *allure]}
    secret = (ended.run.parents[2] / "the-secret").read_text()
    assert len(secret) > 10
    for leak in (secret, "learned-while-testing", "very-secret-token", "whispered"):
        assert leak not in ended.out + ended.err
        found = [file.name for file, text in texts.items() if leak in text]
        assert found == []
    assert "printed ***" in ended.out
    assert "the service says ***" in ended.out
    failed = next(text for text in texts.values() if '"fullName"' in text and "tells_secrets" in text)
    assert "the service says ***" in json.loads(failed)["statusDetails"]["message"]
