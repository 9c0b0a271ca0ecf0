"""An API as its accounts see it, and probes for what is open in it: each gives holes, with their proof."""

from harness.probes.api.accounts import Login
from harness.probes.api.authentication import (
    default_accounts,
    gate_of,
    has_logout,
    logouts_ignored,
    passwords_changed,
    resets_told,
)
from harness.probes.api.changes import objects_changed
from harness.probes.api.delivery import (
    answers_cached,
    files_taken,
    links_elsewhere,
    origins_let_in,
    writes_by_strangers,
)
from harness.probes.api.exposure import doors_open, old_versions, secrets_told
from harness.probes.api.forgery import token_in_query, tokens_forged
from harness.probes.api.functions import functions_open, logins_missing
from harness.probes.api.graphql import answers_queries, endless_queries, graph_of, objects_asked, schemas_told
from harness.probes.api.growth import accounts_told, endless_logins, endless_pages, slow_texts
from harness.probes.api.injection import command_injections, sql_injections, template_injections
from harness.probes.api.lifecycle import (
    accounts_doubled,
    accounts_outlived,
    codes_guessed,
    cookies_readable,
    logins_by_type,
    passwords_taken,
    refreshes_kept,
    sessions_fixed,
)
from harness.probes.api.mass import members_assigned, prototypes_polluted
from harness.probes.api.moments import is_conditional, updates_lost, used_twice
from harness.probes.api.objects import objects_read
from harness.probes.api.reach import (
    files_read,
    header_injections,
    listening,
    markup_injections,
    open_redirects,
    requests_elsewhere,
)
from harness.probes.api.request import ApiClient, Hole, OutOfTime
from harness.probes.api.sites import sites
from harness.probes.api.tour import look_around
from harness.probes.api.widening import amounts_below_zero, answers_widened, odd_numbers, secret_orders
from harness.probes.api.world import World

__all__ = [
    "ApiClient",
    "Hole",
    "Login",
    "OutOfTime",
    "World",
    "accounts_doubled",
    "accounts_outlived",
    "accounts_told",
    "amounts_below_zero",
    "answers_cached",
    "answers_queries",
    "answers_widened",
    "codes_guessed",
    "command_injections",
    "cookies_readable",
    "default_accounts",
    "doors_open",
    "endless_logins",
    "endless_pages",
    "endless_queries",
    "files_read",
    "files_taken",
    "functions_open",
    "gate_of",
    "graph_of",
    "has_logout",
    "header_injections",
    "is_conditional",
    "links_elsewhere",
    "listening",
    "logins_by_type",
    "logins_missing",
    "logouts_ignored",
    "look_around",
    "markup_injections",
    "members_assigned",
    "objects_asked",
    "objects_changed",
    "objects_read",
    "odd_numbers",
    "old_versions",
    "open_redirects",
    "origins_let_in",
    "passwords_changed",
    "passwords_taken",
    "prototypes_polluted",
    "refreshes_kept",
    "requests_elsewhere",
    "resets_told",
    "schemas_told",
    "secret_orders",
    "secrets_told",
    "sessions_fixed",
    "sites",
    "slow_texts",
    "sql_injections",
    "template_injections",
    "token_in_query",
    "tokens_forged",
    "updates_lost",
    "used_twice",
    "writes_by_strangers",
]
