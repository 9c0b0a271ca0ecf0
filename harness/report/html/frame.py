"""What our pages have in common: each stands alone.

No address is loaded, style and the few lines of script are inside, and a content security policy names them by hash, so
that nothing in evidence could run even if it got past the escaping.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import harness
from harness.report.text import amount, clock, number, one_line, percent, plain, plural, seconds, signs

_TEMPLATES = Path(__file__).with_name("templates")


def render_alone(template: str, parts: dict[str, object], *, beside: Path | None = None, style: str = "") -> str:
    """The page as text.

    `beside` is a folder with templates of its own, which may include those of the readiness page; `style` is more CSS
    from there, after the common one.
    """
    css, script = _asset("page.css") + style, _asset("page.js")
    frame: dict[str, object] = {
        "style": Markup(css),  # noqa: S704 - our own files, not evidence
        "script": Markup(script),  # noqa: S704
        "policy_header": (
            f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        ),
        "harness_version": harness.__version__,
    }
    return _environment(beside).get_template(template).render(**frame, **parts)


def coded(text: str) -> Markup:
    """A sentence whose words between backticks are shown as code."""
    parts = text.split("`")
    is_paired = len(parts) % 2 == 1
    shown = (Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup("").join(shown) if is_paired else escape(text)


@cache
def _environment(beside: Path | None) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder for folder in (beside, _TEMPLATES) if folder is not None]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "amount": amount,
        "seconds": seconds,
        "clock": clock,
        "plain": plain,
        "percent": percent,
        "signs": signs,
        "one_line": one_line,
        "coded": coded,
    }
    environment.globals["plural"] = plural
    return environment


@cache
def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
