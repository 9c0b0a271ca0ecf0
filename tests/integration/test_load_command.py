"""`harness load`, from the command line to the sealed run."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.jobs import load as load_module
from harness.load import GeneratorError, run_load
from harness.machine.lock import MachineLock
from harness.run import changed_files, is_sealed, load_record

SERVER = Path(__file__).with_name("load_server.py")


@pytest.fixture(scope="module")
def server():
    process = subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.communicate()


@pytest.fixture(autouse=True)
def own_turns(tmp_path, monkeypatch):
    """These tests measure nothing that they rule on: they need not wait for the machine."""
    own = MachineLock(tmp_path / "turns")
    monkeypatch.setattr(load_module, "MachineLock", lambda: own)
    monkeypatch.setattr("harness.runner.progress.MachineLock", lambda: own)


def run_folder(out):
    return (out / "latest").resolve()


def patient(plan, **words):
    """The machine may be busy with other tests."""
    return run_load(dataclasses.replace(plan, lateness_limit_s=5.0), **words)


def test_a_run_is_measured_printed_and_sealed(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(load_module, "run_load", patient)
    out = tmp_path / "out"
    words = [
        "--url",
        server,
        "--profile",
        "smoke",
        "--rate",
        "60",
        "--duration",
        "1500ms",
        "--path",
        "/ok",
        "--seed",
        "7",
    ]
    assert run_command(["load", *words, "--path", "/wait/2", "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    run = run_folder(out)
    assert printed["run"] == run.name
    assert set(printed["endpoints"]) == {"GET /ok", "GET /wait/2", "ALL"}
    assert printed["endpoints"]["ALL"]["count"] == printed["generator"]["sent"] > 0
    assert set(printed["endpoints"]["ALL"]["latency_ms"]) == {"p50", "p90", "p95", "p99", "p99.9", "max"}
    assert printed["dropped"] == 0
    assert printed["offered_rps"] == printed["achieved_rps"]
    record = load_record(run)
    assert record.integrity.problems == ()
    assert {line.check for line in record.evidence} >= {
        "load.completed",
        "load.generator",
        "load.latency",
        "load.errors",
    }
    assert is_sealed(run)
    assert changed_files(run) == ()
    assert json.loads((run / "run.json").read_bytes())["seeds"] == {"load": 7}


def test_people_get_a_table(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(load_module, "run_load", patient)
    words = ["--url", server, "--profile", "spike", "--rate", "20", "--duration", "2s", "--path", "/status/503"]
    assert run_command(["load", *words, "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "errors of GET /status/503" in text
    assert "status 503" in text
    assert "canary: stood still" in text
    assert "spike: 100/s offered" in text


def test_a_late_generator_is_exit_3(server, tmp_path, capsys, monkeypatch):
    def late(plan, **words):
        return run_load(dataclasses.replace(plan, lateness_limit_s=1e-9), **words)

    monkeypatch.setattr(load_module, "run_load", late)
    words = ["--url", server, "--rate", "50", "--duration", "1s", "--path", "/ok", "--out", str(tmp_path)]
    assert run_command(["load", *words]) == 3
    assert "INCONCLUSIVE: the generator was late" in capsys.readouterr().out
    lines = load_record(run_folder(tmp_path)).evidence
    assert {line.check: str(line.outcome) for line in lines} == {"load.completed": "pass", "load.generator": "error"}


def test_a_dead_generator_is_exit_3_with_its_last_words_and_a_finished_run(server, tmp_path, capsys, monkeypatch):
    def dead(*_, **__):
        raise GeneratorError("load: Locust was killed", output="its last words")

    monkeypatch.setattr(load_module, "run_load", dead)
    assert run_command(["load", "--url", server, "--path", "/ok", "--out", str(tmp_path)]) == 3
    assert capsys.readouterr().err.endswith("error: load: Locust was killed\nits last words\n")
    record = load_record(run_folder(tmp_path))
    assert record.integrity.state == "finished"
    assert [str(line.outcome) for line in record.evidence] == ["error", "error"]
    assert is_sealed(run_folder(tmp_path))


def test_an_interrupted_run_says_so(server, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(load_module, "run_load", interrupted)
    assert run_command(["load", "--url", server, "--path", "/ok", "--out", str(tmp_path)]) == 130
    assert load_record(run_folder(tmp_path)).integrity.state == "interrupted"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rate", "0"], "--rate 0: requests a second were expected, above 0"),
        (["--rate", "nan"], "--rate nan"),
        (["--rate", "fast"], "'fast' is not a valid float"),
        (["--duration", "soon"], "duration 'soon'"),
        (["--duration", "0s"], "duration '0s'"),
        (["--duration", "100ms"], "too short to show that a stall is seen"),
        (["--path", "x"], "path 'x' must begin with one /"),
        (["--path", "/a b"], "encode it"),
        (["--profile", "steddy"], "'steddy' is not one of"),
        (["--profile", "capacity", "--duration", "5s"], "24 s is the least"),
        (["--workers", "0"], "'--workers'"),
        (["--rate", "0.001", "--duration", "2s"], "less than one request"),
    ],
)
def test_bad_input_is_one_line_and_exit_2_before_anything_starts(server, tmp_path, capsys, words, says):
    assert run_command(["load", "--url", server, "--out", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["--active"]])
def test_a_foreign_address_is_refused_before_it_is_asked_anything(tmp_path, capsys, words):
    # an address of documentation (RFC 5737): to connect would take until the time-out
    assert run_command(["load", "--url", "http://198.51.100.7", "--out", str(tmp_path), *words]) == 2
    error = capsys.readouterr().err
    assert 'hosts = ["198.51.100.7"]' in error
    assert error.count("\n") == 1
