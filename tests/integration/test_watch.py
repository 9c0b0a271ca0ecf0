"""`harness watch`, from its options to the sealed run, on small services that break while it looks."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.cli.main import run_command
from harness.run import is_sealed, load_record
from harness.testing import eventually
from tests.scripted_server import ScriptedServer
from tests.watched_service import Said, Served, every_third_order_fails, every_twentieth_order_fails, healthy

POLICY = """
schema = 1
extends = "watch"
[watch]
scale = {scale}
every_s = 0.05
metrics_every_s = 0.1
hold_s = 0.5
runbook = "https://runbook.example.org/watch"
{more}
[[watch.slo]]
name = "availability"
objective = 0.9995
[[watch.slo]]
name = "latency"
objective = 0.99
below_ms = 2000
"""


@pytest.fixture
def policy(tmp_path):
    """Writes a policy; with `scale` 0.001 its shortest window has 0.3 s."""

    def write(scale: float = 1.0, more: str = "") -> str:
        path = tmp_path / "policy.toml"
        path.write_text(POLICY.format(scale=scale, more=more), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def profile(tmp_path):
    """Writes a profile with that `[watch]`."""

    def write(url: str, more: str) -> str:
        path = tmp_path / "shop.toml"
        path.write_text(f'schema = 1\nname = "shop"\n[service]\nurl = "{url}"\n{more}', encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def watch(tmp_path, capsys):
    """Runs the command; gives its status, its lines as JSON, and its run's folder."""

    def run(*words: str):
        status = run_command(["watch", "--json", "--out", str(tmp_path / "out"), *words])
        shown = capsys.readouterr()
        lines = [json.loads(line) for line in shown.out.splitlines()]
        return status, lines, shown.err

    return run


@pytest.fixture
def watch_until(watch):
    """Runs the command until something is true, as somebody who looks and then presses Ctrl-C."""

    def run(is_over, *words: str):
        ended = threading.Event()

        def press() -> None:
            deadline = time.monotonic() + 100
            while not ended.wait(0.05):
                if is_over() or time.monotonic() > deadline:
                    os.kill(os.getpid(), signal.SIGINT)
                    return

        thread = threading.Thread(target=press)
        thread.start()
        try:
            return watch(*words)
        finally:
            ended.set()
            thread.join()

    return run


def asked(service: Served, path: str, times: int):
    return lambda: service.asked[path] >= times


def of_type(lines, kind):
    return [line for line in lines if line["type"] == kind]


def statuses(lines):
    return {each["id"]: each["status"] for each in lines[-1]["criteria"]}


def test_a_healthy_service_is_go_and_the_run_is_like_any_other(watch_until, policy):
    with Served(healthy) as service:
        over = asked(service, "/items", 30)
        status, lines, _ = watch_until(over, "--url", service.url, "--policy", policy())
    assert (status, lines[-1]["verdict"]) == (0, "GO")
    assert sorted(of_type(lines, "started")[0]["paths"]) == ["/health", "/items", "/orders"]
    assert of_type(lines, "alert") == []
    run = Path(lines[-1]["folder"])
    assert is_sealed(run)
    assert (run / "report" / "index.html").is_file()
    measured = {line.check for line in load_record(run).evidence if line.outcome == "measured"}
    assert measured == {"watch.errors", "watch.response"}


def test_five_percent_of_one_path_are_no_go_by_one_finding_that_names_it(watch_until, policy):
    with Served(every_twentieth_order_fails) as service:
        over = asked(service, "/orders", 65)
        status, lines, _ = watch_until(over, "--url", service.url, "--policy", policy())
    assert status == 1
    (alert,) = of_type(lines, "alert")
    assert (alert["event"], alert["severity"], "/orders" in alert["subjects"]) == ("fired", "page", True)
    assert alert["runbook"] == "https://runbook.example.org/watch#an-error-budget-burns"
    failed = [line for line in load_record(Path(lines[-1]["folder"])).evidence if line.outcome == "fail"]
    assert {(line.check, line.cause) for line in failed} == {("watch.slo", "availability")}
    assert "GET /orders" in failed[0].message
    assert "answered 500" in failed[0].message
    assert "/orders" in failed[0].curl[0]


def test_one_bad_answer_is_no_alert(watch_until, policy):
    def one_fails(path: str, number: int) -> Said:
        return Said(status=503) if (path, number) == ("/items", 9) else healthy(path, number)

    with Served(one_fails) as service:
        over = asked(service, "/items", 30)
        status, lines, _ = watch_until(over, "--url", service.url, "--policy", policy())
    assert (status, of_type(lines, "alert")) == (0, [])


def test_an_alert_ends_when_the_service_is_mended(watch_until, policy, tmp_path):
    state = tmp_path / "state" / "state.json"

    def is_open() -> bool:
        return state.is_file() and bool(json.loads(state.read_text(encoding="utf-8"))["open"])

    with Served(every_third_order_fails) as service:
        was_open: list[bool] = []

        def mended() -> bool:
            if not was_open and is_open():
                was_open.append(True)
                service.script = healthy
            return bool(was_open) and not is_open()

        rules = '[[watch.burn]]\nlong_s = 4\nshort_s = 2\nburn = 14.4\nseverity = "page"\n'
        words = ("--url", service.url, "--policy", policy(more=rules), "--state", str(tmp_path / "state"))
        status, lines, _ = watch_until(mended, *words)
    assert status == 1
    assert [each["event"] for each in of_type(lines, "alert")] == ["fired", "resolved"]
    assert lines[-2]["type"] == "status"
    assert lines[-2]["alerts"] == {}


def test_a_target_that_is_down_is_said_at_once_watched_and_a_breach(watch, policy):
    with Served(healthy) as service:
        url = service.url
    status, lines, _ = watch("--url", url, "--for", "2s", "--policy", policy())
    assert lines[0]["type"] == "note"
    assert "does not answer" in lines[0]["text"]
    assert (status, statuses(lines)["startup"]) == (1, "fail")


def test_a_target_that_comes_up_later_is_looked_at_then(watch_until, policy, tmp_path):
    with Served(healthy) as service:
        port, url = service.port, service.url
    late = Served(healthy, port)
    begun: list[Served] = []
    state = tmp_path / "state" / "state.json"

    def over() -> bool:
        if not begun and state.is_file() and json.loads(state.read_text(encoding="utf-8"))["series"]:
            begun.append(late.__enter__())
        return late.asked["/orders"] > 20

    try:
        status, lines, _ = watch_until(over, "--url", url, "--policy", policy(), "--state", str(state.parent))
    finally:
        late.__exit__()
    assert [len(each["paths"]) for each in of_type(lines, "started")] == [1, 3]
    assert statuses(lines)["startup"] == "pass"
    assert status in (0, 1)  # as much as it missed


def test_a_limiter_is_no_fault_and_is_heeded(watch_until, policy):
    lock, left, begun = threading.Lock(), [90], []

    def limited(path: str, number: int) -> Said:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                begun.append(time.monotonic())
                return Said(status=429, headers={"Retry-After": "30"})
        return healthy(path, number)

    with Served(limited) as service:
        words = ("--url", service.url, "--policy", policy())
        status, lines, _ = watch_until(lambda: bool(begun) and time.monotonic() - begun[0] > 3, *words)
    assert (status, of_type(lines, "alert")) == (0, [])
    assert len(begun) < 15
    assert sum("429" in note["text"] for note in of_type(lines, "note")) == 1


def test_too_little_data_are_inconclusive(watch, policy):
    with Served(healthy) as service:
        status, lines, _ = watch("--url", service.url, "--for", "1s", "--every", "1s", "--policy", policy())
    assert (status, lines[-1]["verdict"]) == (3, "INCONCLUSIVE")


def test_a_service_behind_a_login_is_watched_by_its_refusal(watch_until, policy):
    with Served(lambda _path, _number: Said(status=401)) as service:
        status, lines, _ = watch_until(asked(service, "/", 40), "--url", service.url, "--policy", policy())
    assert (status, of_type(lines, "started")[-1]["paths"]) == (0, ["/"])


def test_what_no_document_describes_is_found_by_links_and_usual_names(watch_until, policy):
    def page(path: str, number: int) -> Said:
        if path == "/":
            return Said(
                body=b"<!doctype html><title>x</title><a href='/offers'>o</a><a href='/logout'>l</a>", kind="text/html"
            )
        known = path in ("/offers", "/items", "/logout")
        return Said(status=500 if path == "/offers" and number % 3 == 0 else 200) if known else Said(status=404)

    with Served(page) as service:
        status, lines, _ = watch_until(asked(service, "/offers", 30), "--url", service.url, "--policy", policy())
    assert of_type(lines, "started")[-1]["paths"] == ["/", "/offers", "/items"]
    assert (status, service.asked["/logout"]) == (1, 0)


# --- what the service tells of itself

FIGURES = """
[watch]
metrics = ["/metrics"]
[watch.figures.dead_letters]
metric = 'queue_jobs{state="dead"}'
at_most = 3
[watch.business.orders]
metric = "orders_total"
read = "rate"
at_least = 1
"""


def telling(dead: int, step: int):
    def script(path: str, number: int) -> Said:
        if path == "/metrics":
            body = f'queue_jobs{{state="dead"}} {dead}\nqueue_jobs{{state="live"}} 9\norders_total {number * step}\n'
            return Said(body=body.encode(), kind="text/plain")
        return healthy(path, number)

    return script


@pytest.mark.parametrize(
    ("dead", "step", "status", "alerts"),
    [(0, 5, 0, set()), (7, 5, 1, {"dead_letters"}), (0, 0, 1, {"orders"})],
    ids=["well", "dead letters", "no orders"],
)
def test_figures_are_held_to_their_bounds(watch_until, policy, profile, dead, step, status, alerts):
    with Served(telling(dead, step)) as service:
        words = ("--target", profile(service.url, FIGURES), "--policy", policy())
        found, lines, _ = watch_until(lambda: service.asked["/metrics"] > 12 and service.asked["/items"] > 10, *words)
    assert (found, {each["alert"] for each in of_type(lines, "alert")}) == (status, alerts)


def test_metrics_that_are_garbage_are_said_once_and_the_watch_goes_on(watch_until, policy, profile):
    def garbage(path: str, number: int) -> Said:
        return Said(body=b"\xff{{{ 1 2 3", kind="text/plain") if path == "/metrics" else healthy(path, number)

    with Served(garbage) as service:
        status, lines, _ = watch_until(asked(service, "/items", 25), "--url", service.url, "--policy", policy())
        notes = [note["text"] for note in of_type(lines, "note") if "/metrics" in note["text"]]
        assert (status, len(notes)) == (0, 1)  # nobody promised them
        service.asked.clear()
        words = ("--target", profile(service.url, FIGURES), "--policy", policy())
        status, lines, _ = watch_until(asked(service, "/items", 25), *words)
    notes = [note["text"] for note in of_type(lines, "note") if "/metrics" in note["text"]]
    assert (status, len(notes)) == (3, 1)
    assert (statuses(lines)["watch.slo"], statuses(lines)["watch.figures"]) == ("pass", "inconclusive")


def test_its_own_state_is_told_as_openmetrics(watch_until, policy, tmp_path):
    with Served(every_third_order_fails) as service:
        words = ("--url", service.url, "--policy", policy(), "--metrics", str(tmp_path / "own.prom"))
        watch_until(asked(service, "/orders", 20), *words)
    families = {each.name: each for each in text_string_to_metric_families((tmp_path / "own.prom").read_text())}
    samples = families["harness_watch_bad_events"].samples
    bad = {each.labels["subject"]: each.value for each in samples if each.labels["slo"] == "availability"}
    assert bad["/orders"] >= 2
    assert bad["/items"] == 0
    assert [sample.labels["alert"] for sample in families["harness_watch_alert_open"].samples] == ["availability"]


# --- the baseline


@pytest.mark.timeout(300)
def test_what_is_slower_than_its_own_baseline_is_named(watch_until, policy):
    with Served(healthy) as service:
        words = ("--url", service.url, "--policy", policy(more="baseline_floor_ms = 250"))
        over = asked(service, "/items", 45)
        _, lines, _ = watch_until(over, *words)
        baseline = lines[-1]["run"]
        service.asked.clear()
        status, lines, _ = watch_until(over, *words, "--baseline", baseline)
        assert (status, statuses(lines)["watch.baseline"]) == (0, "pass")

        def slow(path: str, number: int) -> Said:
            if path == "/items":
                time.sleep(0.8)
            return healthy(path, number)

        service.script = slow
        service.asked.clear()
        status, lines, _ = watch_until(over, *words, "--baseline", baseline)
        assert (status, statuses(lines)["watch.baseline"]) == (1, "fail")
        failed = [line for line in load_record(Path(lines[-1]["folder"])).evidence if line.outcome == "fail"]
        assert [line.subject for line in failed] == ["GET /items"]

        service.script = every_third_order_fails
        service.asked.clear()
        status, lines, _ = watch_until(over, *words, "--baseline", baseline)
    failed = [line for line in load_record(Path(lines[-1]["folder"])).evidence if line.outcome == "fail"]
    assert (status, {line.check for line in failed}) == (1, {"watch.slo"})


# --- state


def test_two_watches_of_one_state_are_refused_and_a_damaged_one_is_put_aside(watch_until, policy, tmp_path, capsys):
    state = tmp_path / "state"
    state.mkdir()
    (state / "state.json").write_text("{half", encoding="utf-8")
    with Served(healthy) as service:
        words = ("--url", service.url, "--policy", policy(), "--state", str(state))
        second: list[subprocess.CompletedProcess[str]] = []

        def both_ran() -> bool:
            if service.asked["/items"] > 10 and not second:
                command = [sys.executable, "-m", "harness", "watch", *words, "--for", "1s"]
                second.append(subprocess.run(command, capture_output=True, cwd=tmp_path, check=False, text=True))
            return bool(second)

        status, lines, _ = watch_until(both_ran, *words)
    assert status == 0
    assert "state-damaged-1.json" in lines[0]["text"]
    assert (state / "state-damaged-1.json").read_text(encoding="utf-8") == "{half"
    assert second[0].returncode == 2
    assert f"process {os.getpid()}" in second[0].stderr
    status = run_command(["watch", "--url", "http://127.0.0.1:9", "--state", str(state), "--for", "1s"])
    assert (status, f"is of {service.url}" in capsys.readouterr().err) == (2, True)


def test_an_alert_outlives_a_restart_and_is_told_once(watch_until, policy, tmp_path):
    with Served(every_third_order_fails) as service, Served(lambda *_: Said(status=204)) as inbox:
        words = ("--url", service.url, "--policy", policy(), "--state", str(tmp_path / "state"))
        words += ("--webhook", f"{inbox.url}/alerts")
        for _ in range(2):
            service.asked.clear()
            status, lines, _ = watch_until(asked(service, "/orders", 20), *words)
            assert status == 1
    assert [each["event"] for each in inbox.posted] == ["fired"]
    assert of_type(lines, "alert") == []
    assert lines[-2]["alerts"] == {"availability": "page"}


def test_a_watch_that_was_killed_forgets_neither_its_alert_nor_a_message_that_nobody_took(
    watch_until, policy, tmp_path
):
    state = tmp_path / "state" / "state.json"

    def kept() -> dict[str, object]:
        return json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {"outbox": []}

    with Served(every_third_order_fails) as service, Served(lambda *_: Said(status=503)) as inbox:
        words = ["--url", service.url, "--policy", policy(0.01), "--state", str(state.parent)]
        words += ["--webhook", f"{inbox.url}/alerts"]
        with subprocess.Popen([sys.executable, "-m", "harness", "watch", *words], cwd=tmp_path) as process:
            try:
                eventually(lambda: kept()["outbox"], "a message that nobody took", seconds=60)
            finally:
                process.kill()
        (alert,) = kept()["open"].values()
        inbox.script = lambda *_: Said(status=204)
        service.asked.clear()
        status, lines, _ = watch_until(lambda: bool(inbox.posted) and service.asked["/orders"] > 20, *words)
    assert status == 1
    assert (inbox.posted[0]["event"], inbox.posted[0]["id"]) == ("fired", alert["id"])
    assert "fired" not in [each["event"] for each in of_type(lines, "alert")]


# --- alerts on their way


@pytest.mark.parametrize("first", [500, 429, "hangs"])
def test_a_webhook_that_fails_is_tried_again_and_keeps_nobody_waiting(watch_until, policy, first, monkeypatch):
    monkeypatch.setattr("harness.watch.delivery._TIMEOUT_S", 1.0)

    def takes_the_second(_path: str, number: int) -> Said:
        if number > 1:
            return Said(status=204)
        if first == "hangs":
            time.sleep(2)
            return Said(status=500)
        return Said(status=first)

    with Served(every_third_order_fails) as service, Served(takes_the_second) as inbox:
        words = ("--url", service.url, "--policy", policy(0.001), "--webhook", f"{inbox.url}/alerts?key=s3cret")
        status, lines, error = watch_until(lambda: bool(inbox.posted), *words)
    assert status == 1
    assert inbox.posted[0]["event"] == "fired"
    assert any("is not taken" in note["text"] for note in of_type(lines, "note"))
    assert "s3cret" not in json.dumps(lines) + error


def test_a_webhook_that_redirects_is_not_followed(watch_until, policy):
    with Served(lambda *_: Said(status=204)) as elsewhere, Served(every_third_order_fails) as service:
        leads = Said(status=307, headers={"Location": f"{elsewhere.url}/x"})
        with Served(lambda *_: leads) as inbox:
            words = ("--url", service.url, "--policy", policy(0.001), "--webhook", f"{inbox.url}/alerts")
            status, lines, _ = watch_until(lambda: inbox.asked["/alerts"] > 0, *words)
    assert (status, elsewhere.posted) == (1, [])
    assert any("redirects (307)" in note["text"] for note in of_type(lines, "note"))


def test_alerts_are_mailed(watch_until, policy):
    heard: list[bytes] = []

    def takes_mail(line) -> None:
        line.say(b"220 here\r\n")
        in_text = False
        for said in line.sock.makefile("rb"):
            heard.append(said)
            in_text = (in_text and said != b".\r\n") or said.upper().startswith(b"DATA")
            if said.upper().startswith(b"DATA"):
                line.say(b"354 go on\r\n")
            elif not in_text:
                line.say(b"250 ok\r\n")

    with ScriptedServer(takes_mail) as relay, Served(every_third_order_fails) as service:
        more = f'mail = {{ host = "127.0.0.1", port = {relay.port}, sender = "w@example.org", to = ["a@example.org"] }}'
        words = ("--url", service.url, "--policy", policy(0.001, more), "--mail", "b@example.org")
        watch_until(lambda: b".\r\n" in heard, *words)
    text = b"".join(heard).decode()
    assert "RCPT TO:<b@example.org>" in text.upper().replace("B@EXAMPLE.ORG", "b@example.org")
    assert "Subject: [page] generic: availability fired" in text


# --- ends


def test_an_interrupt_ends_it_within_two_seconds_with_a_verdict(policy, tmp_path):
    with Served(healthy) as service:
        command = [sys.executable, "-m", "harness", "watch", "--url", service.url, "--policy", policy(), "--json"]
        with subprocess.Popen([*command, "--for", "10m"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
            try:
                eventually(lambda: sum(service.asked.values()) >= 100, "a hundred requests", seconds=60)
                asked_at = time.monotonic()
                process.send_signal(signal.SIGINT)
                out, _ = process.communicate(timeout=20)
                took = time.monotonic() - asked_at
            finally:
                process.kill()
    verdict = json.loads(out.splitlines()[-1])
    assert (process.returncode, verdict["verdict"]) == (3, "INCONCLUSIVE")
    assert "an interrupt after" in verdict["held_back"][0]
    assert took < 2 or os.getloadavg()[0] > os.cpu_count()


def test_a_wall_clock_that_jumps_changes_nothing(watch_until, policy, monkeypatch):
    begun, wall = time.monotonic(), time.time
    monkeypatch.setattr(time, "time", lambda: wall() + (-86_400 if (time.monotonic() - begun) % 2 > 1 else 10**6))
    with Served(healthy) as service:
        status, lines, _ = watch_until(asked(service, "/items", 40), "--url", service.url, "--policy", policy())
    assert (status, of_type(lines, "alert")) == (0, [])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("[[watch.burn]]\nlong_s = 60\nshort_s = 60\nburn = 2", "the short window is shorter than the long one"),
        ("[[watch.burn]]\nlong_s = 60\nshort_s = 5\nburn = 9000", "no [[watch.burn]] could alert"),
        ("[[watch.burn]]\nlong_s = -1\nshort_s = 5\nburn = 2", "seconds, above 0"),
        ("burn = []", "alerts of nothing"),
        ('mail = { host = "x", sender = "y", to = [] }', "an address was expected"),
        ("scales = 2", "did you mean 'scale'?"),
    ],
)
def test_a_policy_of_nonsense_is_one_line_and_nothing_is_asked(policy, more, says, capsys):
    assert run_command(["watch", "--url", "http://127.0.0.1:9", "--policy", policy(more=more)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to watch"),
        (["--url", "http://127.0.0.1:9", "--name", "x"], "leave one of them out"),
        (["--name", "nobody-has-this-name"], "no stack"),
        (["--url", "http://127.0.0.1:9", "--policy", "quick"], "has no table [watch]"),
        (["--url", "http://127.0.0.1:9", "--for", "soon"], "duration 'soon'"),
        (["--url", "http://127.0.0.1:9", "--every", "1ms"], "--every 1ms"),
        (["--url", "http://127.0.0.1:9", "--webhook", "ftp://x/y"], "--webhook"),
        (["--url", "http://127.0.0.1:9", "--mail", "a@b.example"], "no [watch.mail]"),
        (["--url", "http://127.0.0.1:9", "--baseline", "nothing"], "no run there"),
        (["--url", "http://127.0.0.1:9", "--capacity", "-3"], "--capacity -3"),
    ],
)
def test_what_cannot_be_watched_is_one_line(words, says, capsys):
    assert run_command(["watch", *words]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
