"""A citation of a page that does not exist is found; one of a page that does is not."""

import pytest

from tools.check_citations import anchors_of, faults_of


@pytest.fixture
def root(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "policy.md").write_text(
        "# Policies\n\n## Keys of a `[[criterion]]`\n\n```sh\n# no heading\n```\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "text",
    ["see docs/policy.md", "(docs/policy.md#policies)", "docs/policy.md#keys-of-a-criterion.", "other/docs/gone.md"],
)
def test_what_exists_is_no_fault(root, text):
    assert list(faults_of(text, root)) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("see docs/polcy.md", "docs/polcy.md, which does not exist"),
        ("docs/policy.md#waiver", "docs/policy.md#waiver, and that page has no such heading"),
        ("docs/policy.md#no-heading", "no such heading"),
        ("(DESIGN 4.2)", "no page of this repository"),
    ],
)
def test_what_does_not_exist_is_a_fault(root, text, says):
    found = list(faults_of(text, root))
    assert len(found) == 1
    assert says in found[0]


def test_anchors_are_made_as_github_makes_them():
    assert anchors_of("## `[health]` and `[build]`\n### A line of `evidence.jsonl`\n") == {
        "health-and-build",
        "a-line-of-evidencejsonl",
    }
