"""Is there a way back from a bad release? One is planted, noticed, and rolled back from, while readers come.

Each drill takes two or three moves of two instances and their workers; everything is put back at its end.
"""

import pytest

from harness.testing import Complaint
from harness.testing.rollback import drill_figures

pytestmark = [pytest.mark.breaks, pytest.mark.alone]

_WHY = "A way back that was never walked is a hope: it fails when it is needed, under load."
_SOURCE = "[releases] of the profile"


def told(result, measure) -> None:
    """The drill's numbers, each of one drill."""
    for one in drill_figures(result):
        measure(
            one.check,
            one.value,
            unit=one.unit,
            statistic="value",
            interval=(one.value, one.value),
            n=one.n,
            method="exact",
            subject=one.subject,
        )


def judged(result) -> None:
    """What the drill found, as one finding."""
    went = f"{result.rollback.plan.before.name} to {result.rollback.plan.after.name}"
    assert not result.problems, Complaint(
        sentence=f"the rollback of {result.level} from {went}: {'; '.join(result.problems)}",
        cause=f"{result.level}: {result.problems[0] if result.problems else ''}",
    )


@pytest.mark.check(
    "rollback.config",
    severity="critical",
    source=_SOURCE,
    subject="bad settings",
    why=_WHY,
    remedy="Let the service drain on SIGTERM and say that it is ready only when it is; try again: harness rollback "
    "--level config --drill.",
)
def test_bad_settings_are_rolled_back(drill, measure):
    result = drill("config")
    told(result, measure)
    judged(result)


@pytest.mark.check(
    "rollback.code",
    severity="critical",
    source=_SOURCE,
    subject="bad code",
    why=_WHY,
    remedy="Keep the schema such that the previous release can live with it, and let the service drain on SIGTERM; try "
    "again: harness rollback --level code --drill.",
)
def test_bad_code_is_rolled_back(drill, measure):
    result = drill("code")
    told(result, measure)
    judged(result)


@pytest.mark.check(
    "rollback.full",
    severity="critical",
    source="[releases] of the profile; NIST SP 800-34: recovery point objective",
    subject="corrupted data",
    why="What a bad migration did to the data no older code mends: it comes back from a backup, or not at all.",
    remedy="Mend what the message names; try again: harness rollback --level full --drill.",
)
def test_corrupted_data_are_set_back(drill, measure):
    result = drill("full")
    told(result, measure)
    judged(result)


@pytest.mark.check(
    "schema.old_code",
    severity="critical",
    source="[releases] previous of the profile; expand and contract",
    subject="previous release",
    why="While releases are rolled, and after a rollback, the previous code works on the new schema.",
    remedy="Split the migration: expand now (declared in [releases] expand_only), contract when no older code is left.",
)
def test_the_previous_release_lives_with_the_schema(old_code):
    assert not old_code.problems, (
        f"release {old_code.release.name} on the schema of today: {'; '.join(old_code.problems)}"
    )
    assert old_code.asked, f"release {old_code.release.name} shows nothing that could be asked"
