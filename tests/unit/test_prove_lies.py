"""What becomes of a lie: killed only by the very end that was expected, and by no other red one."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.model import Decision, MutantStatus, Status
from harness.prove.gate_lies import (
    LIES,
    Ending,
    control,
    number_lies,
    policy_lies,
    process_lies,
    record_lies,
    release_lies,
    run_lie,
    status_of,
    suite_lies,
)
from harness.prove.gate_lies.scene import PrintedRuling, PrintedVerdict
from harness.prove.model import Defect, Expectation

EXITS = {"GO": 0, "NO-GO": 1, "INCONCLUSIVE": 3}
WORDS = st.sampled_from(["1 flaky", "no sample of p99", "not finished", "matches no check"])


def verdict(word: str, *criteria: tuple[str, str, str], held_back: tuple[str, ...] = ()) -> Ending:
    """The end of a gate that ruled."""
    printed = PrintedVerdict(verdict=Decision(word), criteria=tuple(map(ruling, criteria)), held_back=held_back)
    return Ending(exit=EXITS[word], verdict=printed)


def ruling(of: tuple[str, str, str]) -> PrintedRuling:
    """A criterion, how it was ruled, and why."""
    return PrintedRuling(id=of[0], status=Status(of[1]), reason=of[2])


FLAKY = verdict("INCONCLUSIVE", ("startup", "pass", "all passed"), ("own", "inconclusive", "1 flaky, 0 tolerated"))
REFUSED = Ending(exit=2, error="policy.toml: has no [[criterion]]")
HELD = verdict("INCONCLUSIVE", ("own", "pass", "all passed"), held_back=("the run is running, not finished",))


def criterion(id_: str = "own", status: str = "inconclusive", says: str = "1 flaky") -> Expectation:
    """A criterion's end."""
    return Expectation(criterion=id_, status=status, says=says)


def leaves(exit_: int, says: str) -> Expectation:
    """The gate's end."""
    return Expectation(exit=exit_, says=says)


@pytest.mark.parametrize(
    ("expect", "ending"),
    [
        (criterion(), FLAKY),
        (leaves(2, "has no [[criterion]]"), REFUSED),
        (leaves(3, "not finished"), HELD),
        # a gate that failed itself may be what is expected
        (leaves(4, "the disk is full"), Ending(exit=4, error="the disk is full")),
    ],
)
def test_ended_exactly_so_is_killed(expect, ending):
    assert status_of(expect, ending) is MutantStatus.KILLED


@pytest.mark.parametrize(
    ("expect", "ending"),
    [
        (criterion(id_="startup"), FLAKY),
        (criterion(status="fail"), FLAKY),
        (criterion(says="2 flaky"), FLAKY),
        (criterion(), REFUSED),
        (leaves(3, "1 flaky"), FLAKY),
        (leaves(2, "no policy"), REFUSED),
        (leaves(3, "has no [[criterion]]"), REFUSED),
        (leaves(1, "not finished"), HELD),
        (Expectation(), FLAKY),
        (replace(criterion(), exit=1), FLAKY),
    ],
)
def test_red_for_another_reason_is_not_detected(expect, ending):
    assert status_of(expect, ending) is MutantStatus.MISATTRIBUTED


@pytest.mark.parametrize(
    "ending",
    [
        Ending(exit=None),
        Ending(exit=-9),
        Ending(exit=4, error="the stack failed"),
        Ending(exit=130),
        # a traceback's status is a NO-GO's
        Ending(exit=1),
    ],
)
def test_a_time_out_or_a_crash_is_never_a_kill(ending):
    for expect in (criterion(), leaves(1, ""), leaves(3, "not finished")):
        assert status_of(expect, ending) in (
            MutantStatus.INCONCLUSIVE,
            MutantStatus.KILLED if ending.exit == expect.exit else None,
        )
    assert status_of(criterion(), ending) is MutantStatus.INCONCLUSIVE


def test_a_verdict_without_a_word_of_its_criteria_is_read_as_it_is():
    bare = Ending(exit=1, verdict=PrintedVerdict(verdict=Decision.NO_GO))
    assert (status_of(criterion(), bare), bare.failed, bare.words) == (
        MutantStatus.MISATTRIBUTED,
        (),
        "exit 1 · verdict NO-GO",
    )
    assert status_of(criterion(), Ending(exit=3, verdict=PrintedVerdict(verdict=Decision.GO))) is MutantStatus.SURVIVED


RULINGS = st.tuples(st.sampled_from(["own", "startup"]), st.sampled_from([one.value for one in Status]), WORDS)
ENDINGS = st.builds(
    lambda exit_, error, word, rulings, held: Ending(
        exit=exit_,
        error=error,
        verdict=word and PrintedVerdict(verdict=word, criteria=tuple(map(ruling, rulings)), held_back=tuple(held)),
    ),
    st.sampled_from([None, -9, 0, 1, 2, 3, 4, 130]),
    st.one_of(st.just(""), WORDS),
    st.sampled_from([None, *Decision]),
    st.lists(RULINGS, max_size=3),
    st.lists(WORDS, max_size=2),
)
EXPECTATIONS = st.builds(
    Expectation,
    criterion=st.sampled_from(["", "own", "startup"]),
    status=st.sampled_from([one.value for one in Status]),
    exit=st.sampled_from([None, 0, 1, 2, 3, 4]),
    says=WORDS,
)


@given(expect=EXPECTATIONS, ending=ENDINGS)
def test_go_survives_whatever_was_expected_and_a_kill_is_what_was_expected(expect, ending):
    status = status_of(expect, ending)
    go = ending.exit == 0 or (ending.verdict is not None and ending.verdict.verdict == "GO")
    assert (status is MutantStatus.SURVIVED) == go
    if ending.exit is None:
        assert status in (MutantStatus.INCONCLUSIVE, MutantStatus.SURVIVED)
    if status is MutantStatus.KILLED:
        assert expect.exit in (None, ending.exit)
        assert expect.exit is not None or expect.criterion
        if expect.criterion:
            assert ending.rules(expect.criterion, expect.status, expect.says)
        else:
            assert expect.says in ending.words
    if status is MutantStatus.MISATTRIBUTED:
        assert ending.exit in (1, 2, 3)


def defect(lie: str, expect: Expectation) -> Defect:
    """A defect of the catalogue."""
    folder = Path("defects/gate/x")
    return Defect(id="x", kind="gate", area="policy", title="x", why="x", folder=folder, expect=expect, lie=lie)


@pytest.mark.parametrize("tell", [run_lie, control])
def test_a_lie_that_is_none_is_named_with_the_nearest(tmp_path, tell):
    with pytest.raises(ConfigError, match=r"defect\.toml: lie: no lie 'no-polcy-file'.*'no-policy-file'"):
        tell(defect("no-polcy-file", leaves(2, "no policy")), tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_no_two_lies_share_a_name():
    modules = (number_lies, policy_lies, process_lies, record_lies, release_lies, suite_lies)
    assert sum(len(module.LIES) for module in modules) == len(LIES)
    assert {"no-policy-file", "worker-that-died"} <= set(LIES)
