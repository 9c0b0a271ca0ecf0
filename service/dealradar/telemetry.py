"""What Prometheus is told of this process beyond what each module counts itself. Nothing is added up before it asks."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dealradar.state import Services
from dealradar.traffic import BOUNDS


class ProcessCollector(Collector):
    """Reads the service's own counts when it is asked."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Requests by route, the pool of connections, and whether the servers answer."""
        settings, traffic = self._services.settings, self._services.traffic
        build = GaugeMetricFamily("dealradar_build_info", "Which build this is.", labels=["build", "environment"])
        build.add_metric([settings.build_id, settings.environment], 1)
        yield build
        requests = CounterMetricFamily("dealradar_requests", "Answered requests.", labels=["route", "status"])
        for (route, status), count in list(traffic.statuses.items()):
            requests.add_metric([route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily("dealradar_request_duration_seconds", "Time to answer.", labels=["route"])
        for route, counts in list(traffic.buckets.items()):
            ends = [*map(str, BOUNDS), "+Inf"]
            seconds.add_metric([route], list(zip(ends, accumulate(counts), strict=True)), traffic.seconds[route])
        yield seconds
        yield from self._pool()
        up = GaugeMetricFamily("dealradar_server_up", "1 if the server answered last time.", labels=["server"])
        up.add_metric(["postgres"], float(self._services.database.is_up))
        up.add_metric(["valkey"], float(self._services.valkey.is_up))
        yield up
        draining = self._services.lifecycle.is_draining
        yield GaugeMetricFamily("dealradar_draining", "1 while the process ends.", value=float(draining))

    def _pool(self) -> Iterable[Metric]:
        report = self._services.database.pool_report()
        sizes = GaugeMetricFamily("dealradar_database_connections", "Connections of the pool.", labels=["state"])
        sizes.add_metric(["idle"], report["pool_available"])
        sizes.add_metric(["busy"], report["pool_size"] - report["pool_available"])
        yield sizes
        yield GaugeMetricFamily(
            "dealradar_database_waiting_requests",
            "Requests that wait for a connection.",
            value=report["requests_waiting"],
        )
        yield CounterMetricFamily(
            "dealradar_database_refusals", "Requests that got no connection in time.", value=report["requests_errors"]
        )


def exposition(services: Services) -> bytes:
    """All figures in Prometheus' text format: those that modules count themselves, then those read off the services."""
    own = CollectorRegistry()
    own.register(ProcessCollector(services))
    return generate_latest() + generate_latest(own)
