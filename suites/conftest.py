"""Parameters of the generic tests: what the target shows decides what is tried."""

import pytest

from harness.testing import context_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`path`: whatever a plain GET answers; `page_path`: pages, those behind a login only for a browser (`page`), which
    logs in; `guarded_page`: these alone; `cached_path`: what the profile calls cached.
    """
    context = context_of(metafunc.config)
    shown = "page" in metafunc.fixturenames
    values = {
        "path": context.surface.paths,
        "page_path": (*context.surface.pages, *(context.target.pages.roles if shown else ())),
        "guarded_page": tuple(context.target.pages.roles),
        "cached_path": context.target.cache.paths,
        "friendly_path": context.target.cors.paths or context.surface.paths if context.target.cors.origins else (),
        "role": tuple(context.target.auth.roles),
    }
    given = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    taken = {name.strip() for names in given for name in (names.split(",") if isinstance(names, str) else names)}
    for name, found in values.items():
        if name in metafunc.fixturenames and name not in taken:
            metafunc.parametrize(name, found or [pytest.param("", marks=pytest.mark.skip(reason=_why(context, name)))])


def _why(context, name: str) -> str:
    if name == "friendly_path":
        return "the profile lists no origin in [cors] origins"
    if name == "guarded_page":
        return "not applicable: the profile names no page behind a login in [pages.roles]"
    if name == "path" and context.surface.why:
        return context.surface.why
    if name == "page_path" and context.surface.manner.needs_login:
        return context.surface.manner.login_line
    key = {"page_path": "pages", "cached_path": "cache", "role": "auth"}.get(name, "")
    absent = context.target.absent.get(key)
    return (
        f"not applicable: {absent}"
        if absent
        else f"the target shows no {name.replace('_', ' ')}, its profile names none"
    )
