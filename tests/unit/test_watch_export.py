"""Rules for Prometheus and a dashboard for Grafana, made of the policy that the watch itself follows."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
import yaml

from harness.config import load_policy, load_target
from harness.model import Figure, Watched
from harness.watch.export import duration, grafana_dashboard, prometheus_rules
from tests.pages import ROOT

PROMTOOL = shutil.which("promtool")
RULES = replace(load_policy("watch", ROOT).watch, runbook="https://runbook.example.org/")
WATCHED = Watched(
    metrics=("/metrics",),
    figures={
        "cache_hits": Figure(metric='c_total{result="hit"}', over="c_total", read="rate", at_least=0.5),
        "heartbeat": Figure(metric="worker_beat_seconds", read="stale_s", at_most=120, severity="page"),
        "pool": Figure(metric='pool{state="busy"}', over="pool", at_least=0.01, at_most=0.9),
    },
)


@pytest.mark.parametrize(
    ("seconds", "written"), [(300, "5m"), (259_200, "3d"), (90, "90s"), (5400, "90m"), (0.3, "300ms"), (0.0001, "1ms")]
)
def test_durations_are_written_as_prometheus_reads_them(seconds, written):
    assert duration(seconds) == written


def test_each_objective_has_an_alert_for_each_pair_of_windows_and_each_figure_one():
    groups = yaml.safe_load(prometheus_rules(RULES, WATCHED))["groups"]
    alerts = [rule["alert"] for rule in groups[1]["rules"]]
    assert alerts.count("HarnessWatchAvailability") == alerts.count("HarnessWatchLatency") == 3
    assert set(alerts[6:]) == {"HarnessWatchCacheHits", "HarnessWatchHeartbeat", "HarnessWatchPool"}
    recorded = {rule["record"] for rule in groups[0]["rules"]}
    used = set(re.findall(r"harness_watch:\w+:\w+", " ".join(rule["expr"] for rule in groups[1]["rules"])))
    assert used == recorded
    assert all(rule["annotations"]["runbook_url"].startswith(RULES.runbook) for rule in groups[1]["rules"])


def test_the_dashboard_asks_for_what_is_recorded():
    recorded = {rule["record"] for rule in yaml.safe_load(prometheus_rules(RULES, WATCHED))["groups"][0]["rules"]}
    panels = json.loads(grafana_dashboard(RULES, WATCHED))["panels"]
    asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert set(re.findall(r"harness_watch:\w+:\w+", asked)) <= recorded
    assert {"cache_hits", "heartbeat", "pool"} <= {panel["title"] for panel in panels}
    assert len({panel["id"] for panel in panels}) == len(panels) == 7


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")
@pytest.mark.parametrize("scale", [1.0, 0.001])
@pytest.mark.parametrize(
    "watched", [WATCHED, Watched(), load_target("dealradar", ROOT).watch], ids=["w", "none", "our"]
)
def test_promtool_takes_the_rules(tmp_path, scale, watched):
    path = tmp_path / "rules.yml"
    path.write_text(prometheus_rules(replace(RULES, scale=scale), watched), encoding="utf-8")
    done = subprocess.run([PROMTOOL, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stdout + done.stderr


def series(name: str, subject: str, values: str) -> dict[str, str]:
    return {"series": f'{name}{{target="shop",slo="availability",subject="{subject}"}}', "values": values}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")
def test_promtool_sees_five_percent_alerted_and_one_bad_answer_not(tmp_path):
    (tmp_path / "rules.yml").write_text(prometheus_rules(RULES, WATCHED), encoding="utf-8")
    at, labels = "70m", {"target": "shop", "slo": "availability", "subject": "/orders", "severity": "page"}
    link = "https://runbook.example.org/#an-error-budget-burns"
    told = {"summary": "/orders: the error budget of availability is spent 14.4 times too fast", "runbook_url": link}
    events = [
        # a minute each: 60 answers, and from the 61st minute on 3 of them bad
        series("harness_watch_events_total", "/orders", "0+60x90"),
        series("harness_watch_bad_events_total", "/orders", "0x60 3+3x30"),
        series("harness_watch_events_total", "/items", "0+1x90"),
        series("harness_watch_bad_events_total", "/items", "0x68 1x30"),
    ]
    healthy = [each | {"series": each["series"].replace("shop", "well")} for each in events[2:3]]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [*events, *healthy],
                "alert_rule_test": [
                    {"eval_time": "60m", "alertname": "HarnessWatchAvailability", "exp_alerts": []},
                    {
                        "eval_time": at,
                        "alertname": "HarnessWatchAvailability",
                        "exp_alerts": [
                            {"exp_labels": labels | {"long_window": "1h"}, "exp_annotations": told},
                            *(
                                {
                                    "exp_labels": labels | {"long_window": window, "severity": severity},
                                    "exp_annotations": told | {"summary": told["summary"].replace("14.4", times)},
                                }
                                for window, severity, times in (("6h", "page", "6"), ("3d", "ticket", "1"))
                            ),
                        ],
                    },
                ],
            },
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
