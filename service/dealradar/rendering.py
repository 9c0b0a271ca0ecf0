"""HTML out of the templates, and the files beside them."""

import hashlib
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dealradar.money import euro

PACKAGE = Path(__file__).resolve().parent
# The few files are read once: a request can name no other, and none touches the disk.
FILES = {path.name: path.read_bytes() for path in (PACKAGE / "static").iterdir() if path.is_file()}
_VERSIONS = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in FILES.items()}
TEMPLATES = Environment(loader=FileSystemLoader(PACKAGE / "templates"), autoescape=True, undefined=StrictUndefined)


def render(name: str, **values: object) -> str:
    """A page; all values are escaped."""
    return TEMPLATES.get_template(name).render(**values)


def is_version(name: str, version: str | None) -> bool:
    """Was the file asked for by the address that names its present content?"""
    return _VERSIONS[name] == version


def _asset(name: str) -> str:
    return f"/static/{name}?v={_VERSIONS[name]}"


def _day(moment: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), moment.strftime("%-d %B %Y"))


TEMPLATES.filters.update(euro=euro, asset=_asset, day=_day)
