"""Reports: a run's folder in, files out. No report rules anything; each is one module with one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import HarnessError, ReportError
from harness.report.allure import Scratch, allure_problem, build_allure_report, private_folder
from harness.report.attestation import write_attestation
from harness.report.html.page import write_page
from harness.report.junit import write_junit
from harness.report.markdown import write_checklist, write_summary
from harness.report.sarif import write_sarif
from harness.report.sources import RunFiles, read_run
from harness.run import Reading

__all__ = ["RunFiles", "read_run", "write_reports"]


def write_reports(run: Path, scratch: Scratch = private_folder, reading: Reading | None = None) -> tuple[Path, ...]:
    """Write every report of the run; returns what was written. `scratch` is where Allure works; `reading` is the run's
    evidence, where the caller has just read it.

    One that fails does not keep the others from being written; then `ReportError` names each with its cause. Raises
    `BrokenRunError` if the run cannot be read.
    """
    files = read_run(run, reading)
    written: list[Path] = []
    failures: list[str] = []

    def attempt(name: str, write: Callable[[], Path | None]) -> None:
        try:
            path = write()
        except OSError as error:
            failures.append(f"{run / name}: {error.strerror or error}")
        except HarnessError as error:
            failures.append(f"{run / name}: {error.message}")
        except Exception as error:  # noqa: BLE001 - a renderer's crash must not cost the other reports
            failures.append(f"{run / name}: {type(error).__name__}: {error}")
        else:
            written.extend([path] if path is not None else [])

    notes: list[str] = []
    if _has_results(run / "allure-results"):
        reason = allure_problem()
        if reason is None:
            results, out = run / "allure-results", run / "allure-report"
            attempt("allure-report", lambda: build_allure_report(results, out, scratch=scratch))
        else:
            notes.append(f"Allure report not built: {reason}")
    notes += [f"Not written: {failure}" for failure in failures]
    attempt("report/index.html", lambda: write_page(files, notes))
    attempt("summary.md", lambda: write_summary(files, notes))
    attempt("junit.xml", lambda: write_junit(files))
    attempt("report.sarif", lambda: write_sarif(files))
    attempt("CHECKLIST.md", lambda: write_checklist(files))
    attempt("attestation.json", lambda: write_attestation(files))
    if failures:
        raise ReportError(_told(failures))
    return tuple(written)


def _has_results(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*-result.json"))


def _told(failures: Sequence[str]) -> str:
    more = f" (and {len(failures) - 1} more: {'; '.join(failures[1:])})" if len(failures) > 1 else ""
    return f"report not written: {failures[0]}{more}; the verdict stands, `harness report RUN` tries again"
