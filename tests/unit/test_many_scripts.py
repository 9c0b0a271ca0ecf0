"""A folder with more scripts than can be read in time: the small ones are, which are the service's own."""

from pathlib import Path

from harness.preflight.checks.scripts import Script, within_bound


def script(name: str, size: int) -> Script:
    return Script(place=Path(name), text="x" * size, kind="script")


def test_all_of_a_usual_service_are_read() -> None:
    scripts = [script("b.js", 20), script("a.js", 900_000)]
    assert [one.place.name for one in within_bound(scripts)] == ["a.js", "b.js"]


def test_of_a_large_folder_the_small_ones_are_read() -> None:
    bundles = [script(f"bundle{number}.js", 1_500_000) for number in range(9)]
    read = within_bound([*bundles, script("own.js", 100)])
    assert "own.js" in {one.place.name for one in read}
    assert sum(len(one.text) for one in read) <= 4_000_000
    assert within_bound([script("huge.js", 50_000_000)]) == []
