"""Where suites, fixtures, profiles and policies lie: the checkout's top, or the bundle inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The folder that holds `suites/`, `fixtures/`, `profiles/`, `policies/`, `conftest.py` and `pytest.ini`."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / "suites").is_dir() else _PACKAGE / "_bundle"


def in_checkout() -> bool:
    """Is this the project's own repository, with its reference service?"""
    return (_PACKAGE.parent / "service").is_dir() and (_PACKAGE.parent / "suites").is_dir()
