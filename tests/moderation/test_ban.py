"""A ban adds a rule and marks earlier comments as spam, as one action."""

from collections import Counter

import pytest

from commentsvc.domain import networks
from commentsvc.domain.models import RuleKind
from commentsvc.moderation import ban, bulk, undo
from commentsvc.moderation.ban import SweepRange
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule, RuleQuery
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, post

NETWORK = "203.0.113.0/24"
BAN = NewRule(kind=RuleKind.NETWORK, match=NETWORK, site="blog")


async def find_waiting(service, kind, match, **scope):
    oldest = min(row["id"] for row in await everything_in(service, "comment"))
    sweeps = await ban.find_sweeps(service, EVERYTHING, oldest, {kind: match}, SweepRange(**scope))
    return sweeps[kind].waiting


async def count_statuses(service):
    return Counter(row["status"] for row in await everything_in(service, "comment"))


async def test_a_ban_of_many_comments_is_undone_and_redone_as_one(service, monkeypatch):
    monkeypatch.setattr(bulk, "PIECE_SIZE", 2)
    for number in range(5):
        await post(service, f"pills {number}", address=f"203.0.113.{number}")
    await post(service, "a friend's", address="192.0.2.1")
    rule = await ban.ban_commenter(service, EVERYTHING, BAN, await find_waiting(service, RuleKind.NETWORK, NETWORK))
    assert await count_statuses(service) == {"spam": 5, "pending": 1}
    undone = await undo.undo_action(service, EVERYTHING, rule.action)
    assert await count_statuses(service) == {"pending": 6}
    assert (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules == []
    await undo.undo_action(service, EVERYTHING, undone.id)
    assert await count_statuses(service) == {"spam": 5, "pending": 1}
    assert len((await manage.list_rules(service, EVERYTHING, RuleQuery())).rules) == 1


async def test_a_ban_whose_rule_was_deleted_since_can_still_be_undone(service):
    await post(service, "pills", address="203.0.113.1")
    rule = await ban.ban_commenter(service, EVERYTHING, BAN, await find_waiting(service, RuleKind.NETWORK, NETWORK))
    await manage.remove_rule(service, EVERYTHING, rule.id)
    await undo.undo_action(service, EVERYTHING, rule.action)
    assert await count_statuses(service) == {"pending": 1}
    assert (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules == []


@pytest.mark.parametrize(
    ("network", "number"),
    {"192.0.2.0/24": "256", "192.0.2.9": "1", "10.0.0.0/8": "16,777,216", "2001:db8::/64": "2⁶⁴", "x": ""}.items(),
)
def test_moderators_see_how_many_addresses_a_network_has(network, number):
    assert networks.count_addresses(network) == number


async def test_each_way_to_ban_sweeps_what_it_names(service, clock):
    old = await post(service, "old", email="shop@shop.example", address="203.0.113.1")
    clock.move(days=3)
    await post(service, "same network", email="mia@example.com", address="203.0.113.2")
    await post(service, "same address", email="shop@shop.example", address="198.51.100.1")
    found = {
        kind: len(await find_waiting(service, kind, match))
        for kind, match in {
            RuleKind.NETWORK: NETWORK,
            RuleKind.EMAIL: "shop@shop.example",
            RuleKind.AUTHOR: old,
            RuleKind.WEBSITE: "shop.example",
        }.items()
    }
    assert found == {RuleKind.NETWORK: 2, RuleKind.EMAIL: 2, RuleKind.AUTHOR: 1, RuleKind.WEBSITE: 1}
    assert len(await find_waiting(service, RuleKind.NETWORK, NETWORK, since=service.ago(days=1))) == 1
    assert len(await find_waiting(service, RuleKind.AUTHOR, old, since=service.ago(days=1))) == 0
