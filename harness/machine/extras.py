"""What an extra of this package brings: whether it is here, and the one line that installs it."""

from __future__ import annotations

from importlib.util import find_spec

from harness.machine.bundle import in_checkout


def install_line(extra: str) -> str:
    """The command that brings the packages of an extra."""
    return "make setup" if in_checkout() else f"pip install 'harness[{extra}]'"


def lacking(module: str, extra: str, package: str = "") -> str | None:
    """That a module cannot be imported here, by its package's name, and what to do; None if it can."""
    if find_spec(module) is not None:
        return None
    return f"package {package or module} is not installed; install it: {install_line(extra)}"
