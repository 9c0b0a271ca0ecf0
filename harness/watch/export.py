"""For Prometheus and Grafana: the watch's own state, and rules and a dashboard made of the policy that it follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.model import BurnRule, Figure, Slo, Watched, WatchRules
from harness.watch.baseline import DEVIATION
from harness.watch.burn import FEWEST_BAD
from harness.watch.core import Watcher

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_EVENTS, _BAD = "harness_watch_events", "harness_watch_bad_events"
_BY = "sum by (target, slo, subject)"
_LIMIT = "The value at which the policy alerts."
_PANEL_WIDTH, _PANEL_HEIGHT = 12, 8


def runbook_link(rules: WatchRules, alert: str) -> str:
    """Where the runbook says what to do about an alert; "" where the policy names none."""
    slo = next((each for each in rules.slo if each.name == alert), None)
    if slo is not None:
        heading = "an-error-budget-burns" if slo.below_ms is None else "answers-are-too-slow"
    else:
        heading = "the-baseline-is-left" if alert == DEVIATION else "a-figure-is-out-of-its-bounds"
    return f"{rules.runbook}#{heading}" if rules.runbook else ""


def openmetrics(watcher: Watcher, target: str, now: float) -> bytes:
    """The state as OpenMetrics."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.registry import Collector

    class Own(Collector):
        def collect(self) -> Iterator[Metric]:
            return _families(watcher, target, now)

    registry = CollectorRegistry()
    registry.register(Own())
    return bytes(generate_latest(registry))  # type: ignore[no-untyped-call]


def _families(watcher: Watcher, target: str, now: float) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    labels = ["target", "slo", "subject"]
    events = CounterMetricFamily(_EVENTS, "Answers that an objective looks at.", labels=labels)
    bad = CounterMetricFamily(_BAD, "Answers that were bad by it.", labels=labels)
    burn = GaugeMetricFamily("harness_watch_burn_rate", "Times too fast.", labels=[*labels, "window"])
    budget = GaugeMetricFamily("harness_watch_budget_used_ratio", "Share of the period's budget.", labels=labels)
    for (slo, subject), series in watcher.rates.series.items():
        events.add_metric([target, slo, subject], series.total)
        bad.add_metric([target, slo, subject], series.bad)
        for seconds, window in series.windows.items():
            value = window.counts(now).burn(series.slo.budget)
            if value is not None:
                burn.add_metric([target, slo, subject, duration(seconds)], value)
        used = watcher.rates.budget_used(series, now)
        if used is not None:
            budget.add_metric([target, slo, subject], used)
    alerts = GaugeMetricFamily(
        "harness_watch_alert_open", "1 for an open alert.", labels=["target", "alert", "severity"]
    )
    for name, alert in watcher.book.open.items():
        alerts.add_metric([target, name, alert.severity], 1)
    figures = GaugeMetricFamily("harness_watch_figure", "A figure as it was last.", labels=["target", "figure"])
    for name, figure in watcher.figure_watches.items():
        if figure.value is not None:
            figures.add_metric([target, name], figure.value)
    yield from (events, bad, burn, budget, alerts, figures)


def duration(seconds: float) -> str:
    """As Prometheus writes it: whole milliseconds at least, in the largest unit that is whole."""
    ms = max(1, round(seconds * 1000))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def prometheus_rules(rules: WatchRules, watched: Watched) -> str:
    """Recording and alerting rules as YAML: objectives over the watch's own metrics, figures over the service's."""
    import yaml

    windows = sorted({each for rule in rules.burn for each in (rule.long_s, rule.short_s)})
    record = [
        {
            "record": _recorded(kind, seconds * rules.scale),
            "expr": f"{_BY} (increase({name}_total[{duration(seconds * rules.scale)}]))",
        }
        for seconds in windows
        for kind, name in (("events", _EVENTS), ("bad", _BAD))
    ]
    alert = [_burn_alert(rules, slo, rule) for slo in rules.slo for rule in rules.burn]
    alert += [_figure_alert(rules, name, figure) for name, figure in watched.all_figures.items()]
    groups = [{"name": "harness_watch_windows", "rules": record}, {"name": "harness_watch_alerts", "rules": alert}]
    written: str = yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000, allow_unicode=True)
    return written


def _recorded(kind: str, seconds: float) -> str:
    return f"harness_watch:{kind}:increase{duration(seconds)}"


def _burn_alert(rules: WatchRules, slo: Slo, rule: BurnRule) -> dict[str, Any]:
    limit = rule.burn * slo.budget
    of = f'{{slo="{slo.name}"}}'

    def above(seconds: float) -> str:
        window = seconds * rules.scale
        return f"{_recorded('bad', window)}{of} / {_recorded('events', window)}{of} > {limit:.6g}"

    # half an event less: increase() does not give whole numbers
    enough = f"{_recorded('bad', rule.long_s * rules.scale)}{of} > {FEWEST_BAD - 0.5:g}"
    summary = f"{{{{ $labels.subject }}}}: the error budget of {slo.name} is spent {rule.burn:g} times too fast"
    return {
        "alert": _alert_name(slo.name),
        "expr": f"{above(rule.long_s)} and {above(rule.short_s)} and {enough}",
        "labels": {"severity": rule.severity, "long_window": duration(rule.long_s * rules.scale)},
        "annotations": _annotations(rules, slo.name, summary),
    }


def _figure_alert(rules: WatchRules, name: str, figure: Figure) -> dict[str, Any]:
    hold = duration(rules.hold_s * rules.scale)
    value = _expression(figure, hold)
    bounds = [
        f"{value} {sign} {limit:g}"
        for sign, limit in (("<", figure.at_least), (">", figure.at_most))
        if limit is not None
    ]
    if figure.read == "stale_s" and figure.at_most is not None:
        bounds = [f"sum(changes({figure.metric}[{duration(figure.at_most)}])) == 0"]
    return {
        "alert": _alert_name(name),
        "expr": " or ".join(bounds),
        "for": hold,
        "labels": {"severity": figure.severity},
        "annotations": _annotations(rules, name, f"{name} is {{{{ $value }}}}, out of its bounds"),
    }


def _expression(figure: Figure, window: str) -> str:
    """The figure in PromQL."""
    if figure.read == "stale_s":
        return f"sum(changes({figure.metric}[{window}]))"
    form = f"sum(rate({{}}[{window}]))" if figure.read == "rate" else "sum({})"
    value = form.format(figure.metric)
    return f"({value} / {form.format(figure.over)})" if figure.over else value


def _annotations(rules: WatchRules, alert: str, summary: str) -> dict[str, str]:
    link = runbook_link(rules, alert)
    return {"summary": summary} | ({"runbook_url": link} if link else {})


def _alert_name(name: str) -> str:
    return "HarnessWatch" + "".join(word.capitalize() for word in name.split("_"))


def grafana_dashboard(rules: WatchRules, watched: Watched) -> str:
    """A dashboard as JSON: of each objective its errors by window, its budget, and each figure."""
    panels: list[dict[str, Any]] = []
    for slo in rules.slo:
        of = f'{{target="$target",slo="{slo.name}"}}'
        ratios = [
            (f"{_recorded('bad', each)}{of} / {_recorded('events', each)}{of}", f"{{{{subject}}}} {duration(each)}")
            for each in sorted({rule.short_s * rules.scale for rule in rules.burn})
        ]
        first = max(rules.burn, key=lambda rule: rule.burn).burn * slo.budget
        panels.append(_panel(panels, f"{slo.name}: bad answers", ratios, "percentunit", first))
        used = [(f"harness_watch_budget_used_ratio{of}", "{{subject}}")]
        panels.append(_panel(panels, f"{slo.name}: budget used", used, "percentunit", 1.0))
    for name, figure in watched.all_figures.items():
        limit = figure.at_most if figure.at_most is not None else figure.at_least
        expression = _expression(figure, duration(max(60.0, rules.hold_s * rules.scale)))
        panels.append(_panel(panels, name, [(expression, name)], "short", limit))
    query = f"label_values({_EVENTS}_total, target)"
    document = {
        "title": "harness watch",
        "uid": "harness-watch",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "target", "type": "query", "query": query, "refresh": 1}]},
        "panels": panels,
    }
    return json.dumps(document, indent=1)


def _panel(
    before: list[dict[str, Any]], title: str, queries: list[tuple[str, str]], unit: str, limit: float | None
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    number = len(before)
    return {
        "id": number + 1,
        "title": title,
        "description": _LIMIT if limit is not None else "",
        "type": "timeseries",
        "gridPos": {
            "h": _PANEL_HEIGHT,
            "w": _PANEL_WIDTH,
            "x": _PANEL_WIDTH * (number % 2),
            "y": _PANEL_HEIGHT * (number // 2),
        },
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "custom": {"thresholdsStyle": {"mode": "line"}},
                "thresholds": {
                    "mode": "absolute",
                    "steps": [*steps, {"color": "red", "value": limit}] if limit is not None else steps,
                },
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(queries)
        ],
    }
