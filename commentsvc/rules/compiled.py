"""The compiled rules of each site, kept in memory.

A word list takes up to a second to compile, so nothing is compiled inside a unit of work: a unit that finds changed
rules raises ``RulesNotCompiled``, and runs again after they are compiled.
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import ManagedSite, Mode, Rule, RuleKind, Site
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.verdicts import CompiledRule
from commentsvc.service import Service, private_read
from commentsvc.spam.scoring import FilterNotLoaded, load_filter
from commentsvc.storage import rules, sites
from commentsvc.storage.database import Environment, PrivateRead

LOG: Final = logging.getLogger(__name__)
ATTEMPTS: Final = 5  # rules would have to change five times while one comment is posted
T = TypeVar("T")
# Checks that somebody holds: the rules of a site, or a file that is being applied, may have more than any cache.
_IN_USE: Final = WeakValueDictionary[tuple[RuleKind, str], RuleCheck]()
MOST_KEPT: Final = 64
MOST_CHARACTERS_KEPT: Final = 4_000_000  # a list of two million needs 130 MB
_LAST: Final = OrderedDict[tuple[RuleKind, str], RuleCheck]()
_LOCK: Final = threading.Lock()  # lists are compiled in threads


class RulesNotCompiled(Exception):  # noqa: N818 -- not an error: the unit runs again
    """The rules of this site changed since they were compiled."""

    def __init__(self, site_id: str) -> None:
        super().__init__(site_id)
        self.site_id = site_id


@dataclass(frozen=True)
class SiteRules:
    """The rules of a site, its moderation mode (None: the mode in the settings), and the version of both."""

    version: int
    mode: Mode | None
    rules: tuple[CompiledRule, ...]


class CompiledRules:
    """The rules of each site."""

    def __init__(self) -> None:
        self.by_site: dict[str, SiteRules] = {}


def compiled_rules(env: Environment, site: Site) -> SiteRules:
    """Return a site's compiled rules and its mode.

    Raises:
        RulesNotCompiled: The rules changed. ``with_compiled_rules`` handles this.
    """
    ready = env.part(CompiledRules).by_site.get(site.id)
    if ready is None or ready.version != site.rules_version:
        raise RulesNotCompiled(site.id)
    return ready


async def with_compiled_rules(service: Service, run: Callable[[], Awaitable[T]]) -> T:
    """Run a unit that evaluates rules; compile them, and load the learned filter of the site, first if necessary.

    Raises:
        Unavailable: The rules or the filter changed at every attempt.
    """
    for _ in range(ATTEMPTS):
        try:
            return await run()
        except RulesNotCompiled as error:
            await _compile_site(service, error.site_id)
        except FilterNotLoaded as error:
            await load_filter(service, error.site_id)
    raise Unavailable(translatable("The rules of this site are changing. Try again."))


async def _compile_site(service: Service, site_id: str) -> None:
    site, stored = await _read_rules(service, site_id)
    ready = await asyncio.to_thread(lambda: tuple(filter(None, map(_compile_if_possible, stored))))
    service.part(CompiledRules).by_site[site_id] = SiteRules(site.rules_version, site.mode, ready)


@private_read
async def _read_rules(unit: PrivateRead, site_id: str) -> tuple[ManagedSite, list[Rule]]:
    site = (await sites.get_many(unit, [site_id]))[site_id]
    return site, await rules.list_active(unit, site_id)


def _compile_if_possible(rule: Rule) -> CompiledRule | None:
    """Return None for a rule whose library was removed: it must not stop comments from being stored."""
    try:
        return compile_rule(rule)
    except ValueError:
        LOG.warning("skipped rule %s of kind %s: cannot compile it. %s", rule.id, rule.kind, KINDS[rule.kind].expected)
        return None


def compile_rule(rule: Rule) -> CompiledRule:
    """Compile a stored rule.

    Raises:
        ValueError: Its text is not what the kind expects.
    """
    check = compile_check(rule.kind, rule.email_digest or rule.matching)
    return CompiledRule(rule.id, rule.kind, rule.effect, check, rule.expires_at)


def compile_check(kind: RuleKind, matching: str) -> RuleCheck:
    """Compile the text of a rule, unless its check is in use or was compiled lately: a word list takes up to a second.

    Raises:
        ValueError: The text is not what the kind expects.
    """
    check = _IN_USE.get((kind, matching))
    if check is None:
        check = _IN_USE[kind, matching] = KINDS[kind].compile(matching)
    _keep(kind, matching, check)
    return check


def _keep(kind: RuleKind, matching: str, check: RuleCheck) -> None:
    """Keep a check, and as many of the last ones as memory allows."""
    with _LOCK:
        _LAST[kind, matching] = check
        _LAST.move_to_end((kind, matching))
        size = sum(len(text) for _, text in _LAST)
        while len(_LAST) > 1 and (len(_LAST) > MOST_KEPT or size > MOST_CHARACTERS_KEPT):
            (_, text), _ = _LAST.popitem(last=False)
            size -= len(text)
