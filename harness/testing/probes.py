"""Measurements of a service: they return plain data, and know nothing of pass or fail."""

from harness.probes.address import SHARED_ADDRESSES
from harness.probes.axe import Violation, find_axe, run_axe
from harness.probes.cache import CacheSamples, PathSamples, compare_cached
from harness.probes.chromium import Chromium, arguments_to_stay, arguments_to_trust, find_chromium
from harness.probes.cors import CorsAnswer, ask_cors
from harness.probes.csp import Csp, parse_csp
from harness.probes.exchange import curl_line, parse_json
from harness.probes.headers import (
    Hsts,
    MediaType,
    SetCookie,
    names_in,
    parse_cache_control,
    parse_date,
    parse_hsts,
    parse_media_type,
    parse_retry_after,
    parse_set_cookie,
)
from harness.probes.limit_clients import LimitClients
from harness.probes.limit_observation import LimitObservation
from harness.probes.login import account_of, log_in, log_in_by_form
from harness.probes.openapi import METHODS, Mismatch, OpenApi, OpenApiError, Operation, UnreadDocument, load_document
from harness.probes.page_watch import PageWatch
from harness.probes.ratelimit import LimitProbe, probe_limit
from harness.probes.surface import Surface
from harness.probes.timed_clients import TimedClients

__all__ = [
    "METHODS",
    "SHARED_ADDRESSES",
    "CacheSamples",
    "Chromium",
    "CorsAnswer",
    "Csp",
    "Hsts",
    "LimitClients",
    "LimitObservation",
    "LimitProbe",
    "MediaType",
    "Mismatch",
    "OpenApi",
    "OpenApiError",
    "Operation",
    "PageWatch",
    "PathSamples",
    "SetCookie",
    "Surface",
    "TimedClients",
    "UnreadDocument",
    "Violation",
    "account_of",
    "arguments_to_stay",
    "arguments_to_trust",
    "ask_cors",
    "compare_cached",
    "curl_line",
    "find_axe",
    "find_chromium",
    "load_document",
    "log_in",
    "log_in_by_form",
    "names_in",
    "parse_cache_control",
    "parse_csp",
    "parse_date",
    "parse_hsts",
    "parse_json",
    "parse_media_type",
    "parse_retry_after",
    "parse_set_cookie",
    "probe_limit",
    "run_axe",
]
