"""What `[watch]` of a policy and of a profile must hold beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.config.service_url import checked_url
from harness.config.toml_reader import TomlFile, Where
from harness.errors import UsageError
from harness.model import Figure, Watched, WatchRules

_LABEL = r'[A-Za-z_]\w*="(?:[^"\\]|\\.)*"'
SAMPLE = re.compile(rf"(?P<name>[A-Za-z_:][\w:]*)(?:\{{(?P<labels>{_LABEL}(?:,\s*{_LABEL})*)?,?\}})?")
"""A sample as a profile names it: `jobs_total{state="dead"}`."""
_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def checked_watch(file: TomlFile, rules: WatchRules) -> WatchRules:
    """The rules, if they can rule. Raises `ConfigError`."""
    file.refuse_if(not rules.slo, "no [[watch.slo]]: nothing would be watched", ("watch",))
    names = [slo.name for slo in rules.slo]
    for index, name in enumerate(names):
        file.refuse_if(name in names[:index], f"{name!r} was used before", ("watch", "slo", index, "name"))
    file.refuse_if(not rules.burn, "an empty list alerts of nothing", ("watch", "burn"))
    for index, rule in enumerate(rules.burn):
        what = f"the short window is shorter than the long one ({rule.long_s:g} s), not {rule.short_s:g} s"
        file.refuse_if(rule.short_s >= rule.long_s, what, ("watch", "burn", index, "short_s"))
    slowest = min(rule.burn for rule in rules.burn)
    for index, slo in enumerate(rules.slo):
        what = f"{slowest:g} times its budget is more than all answers: no [[watch.burn]] could alert of it"
        file.refuse_if(slowest * slo.budget > 1, what, ("watch", "slo", index, "objective"))
    file.refuse_if(rules.mail is not None and not rules.mail.to, "an address was expected", ("watch", "mail", "to"))
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
    if watched.requests:
        _check_sample(file, watched.requests, ("watch", "requests"))
    both = watched.figures.keys() & watched.business.keys()
    if both:
        raise file.error("is a name of [watch.figures] already", ("watch", "business", min(both)))
    for at, name, figure in _figures(watched):
        _check_figure(file, at, name, figure)
        file.refuse_if(not watched.metrics, "needs [watch] metrics, where it is read", at)


def _figures(watched: Watched) -> Iterator[tuple[Where, str, Figure]]:
    for table, figures in (("figures", watched.figures), ("business", watched.business)):
        for name, figure in figures.items():
            yield ("watch", table, name), name, figure


def _check_figure(file: TomlFile, at: Where, name: str, figure: Figure) -> None:
    what = f"{name!r} is no name; small letters, digits and '_' make one, at most 40"
    file.refuse_if(not _FIGURE.fullmatch(name), what, at)
    _check_sample(file, figure.metric, (*at, "metric"))
    least, most, is_time = figure.at_least, figure.at_most, figure.read == "stale_s"
    if figure.over:
        _check_sample(file, figure.over, (*at, "over"))
        file.refuse_if(is_time, "the time since a change is over nothing", (*at, "over"))
    if is_time and (most is None or least is not None):
        raise file.error("the time since a change has at_most, and no at_least", at)
    if least is None and most is None:
        raise file.error("at_least or at_most was expected: a figure without a bound is always well", at)
    if least is not None and most is not None and least > most:
        raise file.error(f"is above at_most ({most:g}): no figure could be well", (*at, "at_least"))


def _check_sample(file: TomlFile, text: str, at: Where) -> None:
    what = f'a sample such as jobs_total{{state="dead"}} was expected, not {text!r}'
    file.refuse_if(not SAMPLE.fullmatch(text), what, at)
