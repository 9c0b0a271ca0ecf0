"""Text that no file can hold, in what tests say of an answer: it costs that test alone, in one process or in many."""

from __future__ import annotations

import pytest

from tests.suite_session import Bench


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["by hand", "in the gate"])
def test_halves_of_characters_end_no_session(tmp_path, how, workers) -> None:
    bench = Bench(tmp_path)
    bench.suite(
        """
        import pytest

        HALF = chr(0xD800)

        def test_fails():
            print(HALF)
            assert False, HALF + "x"

        def test_crashes():
            raise RuntimeError(HALF)

        def test_skips():
            pytest.skip(HALF)

        def test_records(record):
            from harness.model import Observation, Outcome
            detail = {HALF: HALF}
            record(Observation(suite="probe", check="probe.own", subject=HALF, outcome=Outcome.PASS, detail=detail))

        def test_passes():
            assert True
        """
    )
    ended = bench.run_as(how, workers)
    outcomes = {line["check"]: line["outcome"] for line in ended.lines}
    assert outcomes == {
        "probe.fails": "fail",
        "probe.crashes": "error",
        "probe.skips": "skip",
        "probe.own": "pass",
        "probe.records": "pass",
        "probe.passes": "pass",
    }
    assert "INTERNALERROR" not in ended.out + ended.err
    assert ended.the("probe.own")["subject"] == "\\ud800"
