"""The cache of public reads has no part in what is asked with credentials, whatever kind they are of."""

import pytest


@pytest.mark.check(
    "cache.private",
    severity="critical",
    source="service/README.md",
    subject="reads with credentials",
    why="What a read gives an account is kept for everybody, or it is given what was kept for others.",
    remedy="Pass requests with Authorization or Cookie by the cache.",
)
def test_a_read_with_credentials_passes_the_cache_by(new_client, target):
    clients = {"a login": new_client(role="user"), "a cookie": new_client(headers={"Cookie": "theme=dark"})}
    for path in set(target.cache.paths) - set(target.cache.roles):
        for what, client in clients.items():
            told = [client.exchange("GET", path).header(target.cache.header) for _ in range(2)]
            assert told == ["BYPASS"] * 2, f"GET {path} with {what} answered with {target.cache.header}: {told}"
