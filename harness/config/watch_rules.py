"""What `[watch]` of a policy and of a profile must hold beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.config.service_url import checked_url
from harness.config.toml_reader import TomlFile, Where
from harness.errors import ConfigError, UsageError
from harness.model import Figure, Watched, WatchRules

_LABEL = r'[A-Za-z_]\w*="(?:[^"\\]|\\.)*"'
SAMPLE = re.compile(rf"(?P<name>[A-Za-z_:][\w:]*)(?:\{{(?P<labels>{_LABEL}(?:,\s*{_LABEL})*)?,?\}})?")
"""A sample as a profile names it: `jobs_total{state="dead"}`."""
_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def checked_watch(file: TomlFile, rules: WatchRules) -> WatchRules:
    """The rules, if they can rule. Raises `ConfigError`."""
    if not rules.slo:
        raise file.error("no [[watch.slo]]: nothing would be watched", ("watch",))
    names = [slo.name for slo in rules.slo]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise file.error(f"{name!r} was used before", ("watch", "slo", index, "name"))
    if not rules.burn:
        raise file.error("an empty list alerts of nothing", ("watch", "burn"))
    for index, rule in enumerate(rules.burn):
        if rule.short_s >= rule.long_s:
            what = f"the short window is shorter than the long one ({rule.long_s:g} s), not {rule.short_s:g} s"
            raise file.error(what, ("watch", "burn", index, "short_s"))
    slowest = min(rule.burn for rule in rules.burn)
    for index, slo in enumerate(rules.slo):
        if slowest * slo.budget > 1:
            what = f"{slowest:g} times its budget is more than all answers: no [[watch.burn]] could alert of it"
            raise file.error(what, ("watch", "slo", index, "objective"))
    if rules.mail is not None and not rules.mail.to:
        raise file.error("an address was expected", ("watch", "mail", "to"))
    return rules


def check_watched(file: TomlFile, watched: Watched) -> None:
    """Raises `ConfigError` for a place or a figure that nothing could be read from."""
    for index, place in enumerate(watched.metrics):
        if not place.startswith("/"):
            try:
                checked_url(place, "")
            except UsageError as error:
                what = f"a path or an address was expected: {error.message}"
                raise file.error(what, ("watch", "metrics", index)) from None
    if watched.requests and not SAMPLE.fullmatch(watched.requests):
        raise _no_sample(file, watched.requests, ("watch", "requests"))
    both = watched.figures.keys() & watched.business.keys()
    if both:
        raise file.error("is a name of [watch.figures] already", ("watch", "business", min(both)))
    for at, name, figure in _figures(watched):
        _check_figure(file, at, name, figure)
        if not watched.metrics:
            raise file.error("needs [watch] metrics, where it is read", at)


def _figures(watched: Watched) -> Iterator[tuple[Where, str, Figure]]:
    for table, figures in (("figures", watched.figures), ("business", watched.business)):
        for name, figure in figures.items():
            yield ("watch", table, name), name, figure


def _check_figure(file: TomlFile, at: Where, name: str, figure: Figure) -> None:
    if not _FIGURE.fullmatch(name):
        raise file.error(f"{name!r} is no name; small letters, digits and '_' make one, at most 40", at)
    for key in ("metric", "over"):
        text = getattr(figure, key)
        if (text or key == "metric") and not SAMPLE.fullmatch(text):
            raise _no_sample(file, text, (*at, key))
    if figure.over and figure.read == "stale_s":
        raise file.error("the time since a change is over nothing", (*at, "over"))
    if figure.read == "stale_s" and (figure.at_most is None or figure.at_least is not None):
        raise file.error("the time since a change has at_most, and no at_least", at)
    if figure.at_least is None and figure.at_most is None:
        raise file.error("at_least or at_most was expected: a figure without a bound is always well", at)
    if figure.at_least is not None and figure.at_most is not None and figure.at_least > figure.at_most:
        raise file.error(f"is above at_most ({figure.at_most:g}): no figure could be well", (*at, "at_least"))


def _no_sample(file: TomlFile, text: str, at: Where) -> ConfigError:
    return file.error(f'a sample such as jobs_total{{state="dead"}} was expected, not {text!r}', at)
