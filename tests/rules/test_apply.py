"""A file of rules is applied as a whole, also by two servers at once."""

import asyncio
from dataclasses import replace

import pytest

from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import RuleKind
from commentsvc.rules import apply, compiled, manage
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import NewRule, RuleChange, RuleQuery
from tests.conftest import EVERYTHING, a_service

TEXT = '[[rule]]\nkind = "links"\nmatch = "2"\neffect = "hold"\n'


async def test_a_file_that_two_servers_apply_at_once_adds_its_rules_once(database_url, clock):
    async with a_service(database_url, clock) as one, a_service(database_url, clock) as other:
        await asyncio.gather(
            *(apply.apply_file(server, EVERYTHING, TEXT, apply.FileScope()) for server in (one, other))
        )
        assert len((await manage.list_rules(one, EVERYTHING, RuleQuery())).rules) == 1


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_other_writers_do_not_wait_until_a_long_file_is_compiled(service, monkeypatch):
    words, seen = KINDS[RuleKind.WORDS], []

    def compile_and_note(text):
        seen.append(text)
        return words.compile(text)

    monkeypatch.setitem(KINDS, RuleKind.WORDS, replace(words, compile=compile_and_note))
    lists = [f"word{number}" for number in range(compiled.MOST_KEPT + 10)]
    text = "".join(f'[[rule]]\nkind = "words"\nmatch = "{entry}"\neffect = "hold"\n' for entry in lists)
    await apply.apply_file(service, EVERYTHING, text, apply.FileScope())
    assert seen == lists, "none was compiled again, in the unit of work"


def test_long_lists_that_nobody_uses_do_not_stay_in_memory():
    size = compiled.MOST_CHARACTERS_KEPT // 5
    for number in range(8):
        compiled.compile_check(RuleKind.WORDS, f"word{number}{' ' * size}")
    kept = [text for _, text in compiled._LAST if len(text) >= size]
    assert (len(kept), kept[-1].strip()) == (4, "word7")
    compiled.compile_check(RuleKind.WORDS, " " * compiled.MOST_CHARACTERS_KEPT + "x")
    assert len(compiled._LAST) == 1


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_moderator_cannot_fill_the_memory_with_rules(service, monkeypatch):
    monkeypatch.setattr(manage, "MAX_CHARACTERS", 10_000)
    new = NewRule(kind="words", match="word\n" * 1200, site="blog")
    rule = await manage.add_rule(service, EVERYTHING, new)
    for wrong in (new, NewRule(kind="words", match="other\n" * 700, site="blog")):
        with pytest.raises(Invalid) as refused:
            await manage.add_rule(service, EVERYTHING, wrong)
        assert [(fault.field, fault.code) for fault in refused.value.faults] == [("match", "too_long")]
    with pytest.raises(Invalid):
        await manage.change_rule(service, EVERYTHING, rule.id, RuleChange(match="word\n" * 2001))
    await manage.change_rule(service, EVERYTHING, rule.id, RuleChange(match="word\n" * 1900))
    await manage.change_rule(service, EVERYTHING, rule.id, RuleChange(match="word\n" * 200))
    await manage.add_rule(service, EVERYTHING, new)
