"""Measurements of a service: they return plain data, and know nothing of pass or fail."""

from harness.probes.acts import ACTS
from harness.probes.address import SHARED_ADDRESSES
from harness.probes.axe import Violation, find_axe, run_axe
from harness.probes.browser_console import blocks_nothing
from harness.probes.browser_headers import (
    framing,
    keeps_type,
    opener_policy,
    permissions_policy,
    referrer_policy,
)
from harness.probes.cache import CacheSamples, PathSamples, compare_cached
from harness.probes.chromium import Chromium, arguments_to_stay, arguments_to_trust, find_chromium
from harness.probes.cookies import SetCookie, kept_cookies, parse_set_cookie
from harness.probes.cors import CorsAnswer, ask_cors
from harness.probes.csp import Csp, parse_csp
from harness.probes.csp_flaws import find_holes, find_mistakes
from harness.probes.document import charset_of, in_words, is_page, kind_of, policy_of, why_not_due
from harness.probes.effects import Effect, find_effects
from harness.probes.exchange import curl_line, find_repeated_names, parse_json
from harness.probes.exposed import Exposed, ExposedThings, find_consoles, find_files, find_listings, find_source_maps
from harness.probes.generated import Bounds, Fault, GeneratedRun, generate_requests, seed_of
from harness.probes.headers import (
    Hsts,
    MediaType,
    names_in,
    parse_cache_control,
    parse_date,
    parse_hsts,
    parse_media_type,
    parse_retry_after,
    spares_private_answers,
)
from harness.probes.inputs import TriedInputs, try_places, try_words
from harness.probes.landing import Landing, land
from harness.probes.leaks import ERRORS, SECRETS, Leak, find_leaks
from harness.probes.limit_clients import LimitClients
from harness.probes.limit_observation import LimitObservation
from harness.probes.login import account_of, log_in, log_in_by_form
from harness.probes.login_headers import login_headers as account_headers
from harness.probes.observatory import Scan, grade
from harness.probes.openapi import METHODS, Mismatch, OpenApi, OpenApiError, Operation, UnreadDocument, load_document
from harness.probes.openapi_places import local_path
from harness.probes.page_parts import PageForm, PageParts, read_parts
from harness.probes.page_reads import PageReads
from harness.probes.page_watch import PageWatch
from harness.probes.patience import Wait, wait_for
from harness.probes.ratelimit import LimitProbe, probe_limit
from harness.probes.reach import place_of
from harness.probes.site import USUAL_PATHS, InputPlace, Site, origin_of, walk_site
from harness.probes.surface import Surface
from harness.probes.timed_clients import TimedClients
from harness.probes.trust import verified_pin

__all__ = [
    "ACTS",
    "ERRORS",
    "METHODS",
    "SECRETS",
    "SHARED_ADDRESSES",
    "USUAL_PATHS",
    "Bounds",
    "CacheSamples",
    "Chromium",
    "CorsAnswer",
    "Csp",
    "Effect",
    "Exposed",
    "ExposedThings",
    "Fault",
    "GeneratedRun",
    "Hsts",
    "InputPlace",
    "Landing",
    "Leak",
    "LimitClients",
    "LimitObservation",
    "LimitProbe",
    "MediaType",
    "Mismatch",
    "OpenApi",
    "OpenApiError",
    "Operation",
    "PageForm",
    "PageParts",
    "PageReads",
    "PageWatch",
    "PathSamples",
    "Scan",
    "SetCookie",
    "Site",
    "Surface",
    "TimedClients",
    "TriedInputs",
    "UnreadDocument",
    "Violation",
    "Wait",
    "account_headers",
    "account_of",
    "arguments_to_stay",
    "arguments_to_trust",
    "ask_cors",
    "blocks_nothing",
    "charset_of",
    "compare_cached",
    "curl_line",
    "find_axe",
    "find_chromium",
    "find_consoles",
    "find_effects",
    "find_files",
    "find_holes",
    "find_leaks",
    "find_listings",
    "find_mistakes",
    "find_repeated_names",
    "find_source_maps",
    "framing",
    "generate_requests",
    "grade",
    "in_words",
    "is_page",
    "keeps_type",
    "kept_cookies",
    "kind_of",
    "land",
    "load_document",
    "local_path",
    "log_in",
    "log_in_by_form",
    "names_in",
    "opener_policy",
    "origin_of",
    "parse_cache_control",
    "parse_csp",
    "parse_date",
    "parse_hsts",
    "parse_json",
    "parse_media_type",
    "parse_retry_after",
    "parse_set_cookie",
    "permissions_policy",
    "place_of",
    "policy_of",
    "probe_limit",
    "read_parts",
    "referrer_policy",
    "run_axe",
    "seed_of",
    "spares_private_answers",
    "try_places",
    "try_words",
    "verified_pin",
    "wait_for",
    "walk_site",
    "why_not_due",
]
