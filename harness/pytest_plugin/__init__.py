"""Pytest plugin: one stack and one run a session, evidence from every worker (docs/suites.md).

It does nothing in a session that runs no suite. In one that does, the controlling process starts (or is given) the
stack and the run; xdist workers are told where both lie.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.machine.bundle import root
from harness.machine.lock import MachineLock
from harness.machine.redaction import Redactor
from harness.pytest_plugin import allure
from harness.pytest_plugin.assertions import AssertionCounter
from harness.pytest_plugin.fixtures import learn_secret, measure, record, turn
from harness.pytest_plugin.items import ItemHooks
from harness.pytest_plugin.markers import MARKERS
from harness.pytest_plugin.selection import OnlyTests, OnlyTurn, UntilFails
from harness.pytest_plugin.sentences import keep_sentences_apart
from harness.pytest_plugin.session import Session, is_suite_session, serve_context, worker_context
from harness.pytest_plugin.stash import CONTEXT, MACHINE_LOCK, NOTES, REDACT, Context, ItemNotes
from harness.pytest_plugin.timeline import JournalHooks

__all__ = ["CONTEXT", "FIXTURE_MODULES", "NOTES", "Context", "ItemNotes", "learn_secret", "measure", "record", "turn"]

FIXTURE_MODULES = (
    "fixtures.http",
    "fixtures.description",
    "fixtures.site",
    "fixtures.api",
    "fixtures.stores",
    "fixtures.browser",
    "fixtures.faults",
    "fixtures.rollback",
)
"""The fixtures that every suite has, wherever it lies."""
_ALLURE = "allure_pytest.plugin"
_SESSION = pytest.StashKey[Session]()
_COUNTER = pytest.StashKey[AssertionCounter]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a session that runs suites."""
    group = parser.getgroup("harness")
    group.addoption("--target", metavar="NAME|PATH", default=None, help="profile of the service under test")
    group.addoption("--url", metavar="URL", default=None, help="attach to a service that already runs")
    group.addoption("--stack-file", metavar="PATH", default=None, help="use the running stack described there")
    group.addoption("--run", metavar="PATH", default=None, help="add the evidence to this run")
    group.addoption(
        "--target-file", metavar="PATH", default=None, help="the profile of --run with what it keeps secret"
    )
    group.addoption("--active", action="store_true", help="allow writes and attacks on a loopback --url")
    group.addoption("--traces", action="store_true", help="keep browser traces of an attached service too")
    group.addoption("--tests-file", metavar="PATH", default=None, help="run only the tests whose ids this file lists")
    group.addoption("--turn", metavar="TURN", default=None, help="run only tests of this turn on the machine")
    group.addoption("--turns-file", metavar="PATH", default=None, help="say there which turns have tests at all")
    group.addoption(
        "--generated-seed", metavar="N", type=int, default=None, help="what generated requests are drawn by"
    )
    group.addoption("--until-fails", metavar="CHECK", action="append", help="end once such a check failed (a glob)")
    group.addoption("--journal", metavar="PATH", default=None, help="write there when each test ran (without -n)")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> Iterator[None]:
    """Count assertions of fixtures' modules too. Load Allure's plugin only where it is asked for: it costs 0.4 s."""
    # before pytest reads the filters for conftests: a suite that says a former name is told, and runs
    early_config.addinivalue_line("filterwarnings", "default::harness.moved.FormerName")
    pytest.register_assert_rewrite("fixtures")
    plugins = early_config.pluginmanager
    if any(word.startswith("--alluredir") for word in args) and not plugins.has_plugin(_ALLURE):
        plugins.import_plugin(_ALLURE)
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Name the markers; prepare a session that runs suites, and leave others alone."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if not is_suite_session(config):
        return
    _share_fixtures(config)
    config.stash[MACHINE_LOCK] = MachineLock()
    config.stash[REDACT] = Redactor()
    counter = AssertionCounter()
    counter.install()
    config.stash[_COUNTER] = counter
    config.add_cleanup(keep_sentences_apart())
    config.pluginmanager.register(counter, "harness-assertions")
    config.pluginmanager.register(ItemHooks(config), "harness-items")
    if config.pluginmanager.has_plugin(_ALLURE):
        config.add_cleanup(allure.keep_secrets_out(config.stash[REDACT]))
    _narrow(config)
    if hasattr(config, "workerinput"):
        config.stash[CONTEXT] = worker_context(config)
    else:
        config.stash[_SESSION] = Session(config)
        config.pluginmanager.register(config.stash[_SESSION], "harness-session")


def _narrow(config: pytest.Config) -> None:
    options, plugins = config.option, config.pluginmanager
    if options.tests_file:
        plugins.register(OnlyTests(Path(options.tests_file)), "harness-tests-file")
    if options.turn:
        plugins.register(OnlyTurn(options.turn, Path(options.turns_file)), "harness-turn")
    if options.until_fails and not hasattr(config, "workerinput"):
        plugins.register(UntilFails(options.until_fails), "harness-until-fails")
    if options.journal and not hasattr(config, "workerinput"):
        plugins.register(JournalHooks(Path(options.journal)), "harness-journal")


def _share_fixtures(config: pytest.Config) -> None:
    """Fixtures for suites wherever they lie: a conftest serves only the folders below it."""
    if str(root()) not in sys.path:
        sys.path.append(str(root()))
    for module in FIXTURE_MODULES:
        config.pluginmanager.import_plugin(module)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist's WorkerController
    """Tell a worker where stack and run lie."""
    if CONTEXT in node.config.stash:
        node.workerinput["harness"] = serve_context(node.config.stash[CONTEXT])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave pytest as it was."""
    if _COUNTER in config.stash:
        config.stash[_COUNTER].uninstall()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of `suites/<suite>/<target>/`, collect only the folder of this session's target."""
    if CONTEXT not in config.stash or not collection_path.is_dir():
        return None
    suite = collection_path.parent
    if suite.parent == root() / "suites" and collection_path.name != config.stash[CONTEXT].target.name:
        return True if not collection_path.name.startswith("__") else None
    return None


def count_browser_assertions(config: pytest.Config) -> None:
    """Called by fixture `page`: from now on Playwright's `expect` counts."""
    if _COUNTER in config.stash:
        config.stash[_COUNTER].install_playwright()
