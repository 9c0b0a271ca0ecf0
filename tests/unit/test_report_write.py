"""All reports of a run at once, and the command that writes them again."""

import json
import sys
import webbrowser

import pytest

from harness import report
from harness.cli.main import run_command
from harness.errors import BrokenRunError, ReportError
from harness.report import write_reports
from harness.report.html.latency import TIMELINE
from tests import report_runs

ALL = ["report/index.html", "summary.md", "junit.xml", "report.sarif", "CHECKLIST.md", "attestation.json"]


@pytest.fixture
def run(tmp_path):
    return report_runs.write_run(tmp_path, report_runs.no_go())


def names(run, paths):
    return [str(path.relative_to(run)) for path in paths]


def test_every_report_is_written_and_nothing_sealed_is_touched(run):
    sealed = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert names(run, write_reports(run)) == ALL
    assert {path: path.read_bytes() for path in sealed} == sealed


def test_the_same_run_gives_the_same_reports(run):
    write_reports(run)
    first = {name: (run / name).read_bytes() for name in ALL}
    write_reports(run)
    assert {name: (run / name).read_bytes() for name in ALL} == first


@pytest.mark.parametrize("make", [report_runs.go, report_runs.inconclusive, report_runs.hostile])
def test_every_kind_of_run_can_be_reported(tmp_path, make):
    run = report_runs.write_run(tmp_path, make())
    assert names(run, write_reports(run)) == ALL


def test_a_run_that_was_killed_is_reported_without_an_attestation(tmp_path):
    run = report_runs.write_run(tmp_path, report_runs.go(), judged=False, state="running")
    assert names(run, write_reports(run)) == ALL[:-1]


def test_a_run_of_which_only_the_first_file_was_written(tmp_path):
    (tmp_path / "run.json").write_text(
        '{"schema": 1, "run": "r", "state": "running", "target": null}', encoding="utf-8"
    )
    assert names(tmp_path, write_reports(tmp_path)) == ALL[:-1]


def test_one_report_that_fails_does_not_cost_the_others(run):
    (run / TIMELINE).write_text('{"seconds": "none"}', encoding="utf-8")
    with pytest.raises(ReportError) as error:
        write_reports(run)
    assert f"{run / 'report/index.html'}: " in error.value.message
    assert "load-timeline.json: is not a timeline of load" in error.value.message
    assert [name for name in ALL if (run / name).exists()] == ALL[1:]


def test_a_report_that_cannot_be_written_is_named(run):
    (run / "junit.xml").mkdir()
    with pytest.raises(ReportError, match=r"junit\.xml: Is a directory"):
        write_reports(run)
    assert (run / "attestation.json").exists()


def test_a_renderer_that_crashes_is_named(run, monkeypatch):
    def crash(_files):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(report, "write_sarif", crash)
    with pytest.raises(ReportError, match=r"report\.sarif: ZeroDivisionError: division by zero"):
        write_reports(run)


def test_allure_is_built_where_there_are_results(run, monkeypatch):
    results = run / "allure-results"
    results.mkdir()
    monkeypatch.setattr(report, "allure_problem", lambda: None)
    built = []
    monkeypatch.setattr(report, "build_allure_report", lambda found, out, **_: built.append((found, out)) or out)
    write_reports(run)
    assert built == []
    (results / "1-result.json").write_text("{}", encoding="utf-8")
    write_reports(run)
    assert built == [(results, run / "allure-report")]


def test_a_missing_allure_is_told_on_page_and_summary(run, monkeypatch):
    (run / "allure-results").mkdir()
    (run / "allure-results" / "1-result.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(report, "allure_problem", lambda: "Node is missing")
    write_reports(run)
    for name in ("report/index.html", "summary.md"):
        assert "Allure report not built: Node is missing" in (run / name).read_text(encoding="utf-8")


def test_an_unreadable_verdict_is_not_a_verdict(run):
    (run / "verdict.json").write_text('{"verdict": "GO"}', encoding="utf-8")
    with pytest.raises(BrokenRunError, match=r"verdict\.json: is not what a run keeps there"):
        write_reports(run)


def test_the_command_prints_the_files(run, capsys):
    assert run_command(["report", str(run)]) == 0
    assert capsys.readouterr().out.split() == [str(run / name) for name in ALL]


def test_the_command_speaks_json(run, capsys):
    assert run_command(["report", run.name, "--out", str(run.parents[1]), "--json", "--open"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": run.name, "files": ALL}


@pytest.mark.parametrize(("display", "opened"), [("", 0), (":7", 1)])
def test_the_page_is_opened_on_a_desktop_and_named_elsewhere(run, capsys, monkeypatch, display, opened):
    asked = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or True)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    page = run / "report" / "index.html"
    assert run_command(["report", str(run), "--open"]) == 0
    assert asked == [page.as_uri()] * opened
    assert (f"the page is {page}" in capsys.readouterr().err) is (opened == 0)


@pytest.mark.parametrize(
    ("spoil", "status", "says"),
    [
        (lambda run: (run / "run.json").unlink(), 2, "no run there"),
        (lambda run: (run / "run.json").write_text("{", encoding="utf-8"), 3, "run.json: cannot be read"),
        (lambda run: (run / "run.json").write_text('{"run": 7}', encoding="utf-8"), 3, "run.json: is not what a run"),
        (lambda run: (run / "summary.md").mkdir(), 4, "summary.md: Is a directory"),
    ],
)
def test_trouble_is_one_line_with_its_status(run, capsys, spoil, status, says):
    spoil(run)
    assert run_command(["report", str(run)]) == status
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert says in told
