"""How a path of a target is written."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

_PATH = r"/(?!/)[^\x00-\x1f\x7f]*"
UrlPath = Annotated[str, Meta(pattern=rf"^{_PATH}\Z", description="a path that begins with '/'")]
AnyUrlPath = Annotated[str, Meta(pattern=rf"^({_PATH})?\Z", description="a path that begins with '/'")]
"""A path of the target, or "" where it has none."""
