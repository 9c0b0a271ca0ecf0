"""The OpenAPI document against the service: requests made from it, by a tool that knows nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dealradar_process import OPERATOR, USER

SEED = "1"
EXAMPLES_AN_OPERATION = "5"  # about 200 random ones in all, beside those that every document leads to


@pytest.mark.timeout(400)
@pytest.mark.parametrize("email", [USER, OPERATOR])
def test_the_document_tells_the_truth(start, db, email, tmp_path):
    service = start(RATE_LIMIT_PER_MINUTE="1000000")
    token = service.client(email).headers["Authorization"]
    found = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            service.url + "/openapi.json",
            *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-examples", EXAMPLES_AN_OPERATION, "--seed", SEED),
            *("--header", f"Authorization: {token}"),
            *("--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-8_000:] + found.stderr
    assert "Traceback" not in service.log()
    if email == USER:  # an operator's tool turns the switches too
        assert db.execute("SELECT count(*) FROM deals WHERE author_id = 1").fetchone()[0] > 0, "no write got through"
