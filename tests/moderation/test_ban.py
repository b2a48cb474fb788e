"""A ban adds a rule and marks earlier comments as spam, as one action."""

from collections import Counter

import msgspec
import pytest

from commentsvc.domain import networks
from commentsvc.domain.errors import ExpectationFailed, Invalid
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.domain.validation import validate
from commentsvc.moderation import actions, ban, bulk, queue, sweep, undo
from commentsvc.moderation.ban_schemas import BanQuery, NewBan
from commentsvc.moderation.schemas import Action
from commentsvc.moderation.sweep import Sweep, SweepRange
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule, RuleQuery
from commentsvc.service import write
from commentsvc.storage.database import in_list
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, read_csrf_token
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, post

WEBSITE = "https://shop.example/a"
NETWORK = "203.0.113.0/24"
BAN = NewRule(kind=RuleKind.NETWORK, match=NETWORK, site="blog")


async def find_waiting(service, kind, match, **scope):
    oldest = min(row["id"] for row in await everything_in(service, "comment"))
    found = await sweep.find_sweeps(service, EVERYTHING, oldest, {kind: match}, SweepRange(**scope))
    return found[kind].waiting


def versions(*comment_ids):
    """Return the versions of new comments."""
    return dict.fromkeys(comment_ids, 1)


async def decide(service, verb, *comment_ids):
    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(comment_ids)))


async def count_statuses(service):
    return Counter(row["status"] for row in await everything_in(service, "comment"))


async def test_a_ban_of_many_comments_is_undone_and_redone_as_one(service, monkeypatch):
    monkeypatch.setattr(bulk, "PIECE_SIZE", 2)
    for number in range(5):
        await post(service, f"pills {number}", address=f"203.0.113.{number}")
    await post(service, "a friend's", address="192.0.2.1")
    done = await ban.ban_commenter(service, EVERYTHING, BAN, await find_waiting(service, RuleKind.NETWORK, NETWORK))
    assert await count_statuses(service) == {"spam": 5, "pending": 1}
    undone = await undo.undo_action(service, EVERYTHING, done.action)
    assert await count_statuses(service) == {"pending": 6}
    assert (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules == []
    await undo.undo_action(service, EVERYTHING, undone.id)
    assert await count_statuses(service) == {"spam": 5, "pending": 1}
    assert len((await manage.list_rules(service, EVERYTHING, RuleQuery())).rules) == 1


async def test_a_ban_whose_rule_was_deleted_since_can_still_be_undone(service):
    await post(service, "pills", address="203.0.113.1")
    done = await ban.ban_commenter(service, EVERYTHING, BAN, await find_waiting(service, RuleKind.NETWORK, NETWORK))
    await manage.remove_rule(service, EVERYTHING, done.rule.id)
    await undo.undo_action(service, EVERYTHING, done.action)
    assert await count_statuses(service) == {"pending": 1}
    assert (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules == []


@pytest.mark.parametrize(
    ("network", "number"),
    {"192.0.2.0/24": "256", "192.0.2.9": "1", "10.0.0.0/8": "16,777,216", "2001:db8::/64": "2⁶⁴", "x": ""}.items(),
)
def test_moderators_see_how_many_addresses_a_network_has(network, number):
    assert networks.count_addresses(network) == number


async def test_each_way_to_ban_sweeps_what_it_names(service, clock):
    old = await post(service, "old", email="shop@shop.example", address="203.0.113.1", website=WEBSITE)
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
    assert len(await find_waiting(service, RuleKind.WEBSITE, "shop.example", since=service.ago(days=1))) == 0
    assert len(await find_waiting(service, RuleKind.NETWORK, NETWORK, since=service.ago(days=1))) == 1
    assert len(await find_waiting(service, RuleKind.AUTHOR, old, since=service.ago(days=1))) == 0


async def confirm(service, *comment_ids):
    """Note that the writers of comments had confirmed their address."""
    listed, values = in_list("id", comment_ids)

    @write
    async def note(unit):
        await unit.run(f"UPDATE contact SET verified = 1 WHERE comment_id IN {listed}", **values)

    await note(service)


async def sweep_address(service, comment, **scope):
    return await sweep.find_sweep(service, EVERYTHING, comment, RuleKind.EMAIL, "ignored", SweepRange(**scope))


async def test_a_typed_address_does_not_take_down_what_its_owner_wrote(service):
    """Ada never wrote the spam: somebody typed her address."""
    confirmed, plain, waiting = [await post(service, f"Ada's {n}", email="ada@example.com") for n in range(3)]
    await decide(service, ActionVerb.APPROVE, confirmed, plain)
    await confirm(service, confirmed, waiting)
    false = await post(service, "Cheap pills!", email="ada@example.com", address="203.0.113.7")
    again = await post(service, "More pills!", email="ada@example.com", address="203.0.113.8")
    assert await sweep_address(service, false) == Sweep(waiting=versions(again, false), public={})
    # A moderator who approved the false one by mistake can still ban from it.
    await decide(service, ActionVerb.APPROVE, false)
    assert await sweep_address(service, false) == Sweep(waiting=versions(again), public={false: 2})


async def test_a_confirmed_address_takes_its_public_comments_along_but_not_those_of_others_who_typed_it(service):
    shop, public, typed = [await post(service, f"pills {n}", email="shop@shop.example") for n in range(3)]
    await decide(service, ActionVerb.APPROVE, public, typed)
    await confirm(service, shop, public)
    late = await post(service, "pills again", email="shop@shop.example")
    assert await sweep_address(service, shop) == Sweep(waiting=versions(late, shop), public={public: 2})


async def test_a_website_sweeps_its_subdomains_in_every_spelling_but_no_site_that_only_mentions_it(service):
    names = ["https://казино.example/", "http://www.XN--80AODFSG.example", "https://xn--80aodfsg.example:8080/?a"]
    ids = [await post(service, f"play {n}", website=name, thread=f"/{n}/") for n, name in enumerate(names)]
    await post(service, "an archive", website="https://archive.example/save/https://казино.example/")
    await post(service, "another", website="https://mykазино.example/")
    found = await find_waiting(service, RuleKind.WEBSITE, "xn--80aodfsg.example")
    assert sorted(found) == sorted(ids)


@pytest.mark.parametrize(
    ("website", "match"),
    [
        ("https://www.shop.example/x", "shop.example"),
        ("https://shop.blogs.example", "shop.blogs.example"),
        ("http://198.51.100.7/", "198.51.100.7"),
        ("http://[2001:db8::1]/", None),
        ("http://localhost:8000/", None),
        (None, None),
    ],
)
async def test_a_ban_by_website_names_a_domain_that_a_rule_can_match(service, website, match):
    comment = await post(service, "pills", website=website)
    (card,) = await queue.get_comments(service, EVERYTHING, [comment])
    bans = ban.list_bans(card)
    assert bans.get(RuleKind.WEBSITE) == match
    if match:
        await ban.ban_commenter(service, EVERYTHING, NewRule(kind=RuleKind.WEBSITE, match=match, site="blog"), {})


async def test_a_sweep_stays_on_its_site_and_within_what_a_moderator_may_see(database_url, clock):
    sites = "https://one.example https://two.example"
    async with a_service(database_url, clock, sites=sites) as service:
        one, two = [
            await post(service, "pills", thread=f"https://{name}.example/", site=f"{name}.example", website=WEBSITE)
            for name in ("one", "two")
        ]
        (row,) = [row for row in await everything_in(service, "site") if row["name"] == "one.example"]
        limited = msgspec.structs.replace(EVERYTHING, sites=(row["id"],))
        for kind, match in ban.list_bans((await queue.get_comments(service, EVERYTHING, [one]))[0]).items():

            async def waiting(who, match=match, kind=kind, **scope):
                return (await sweep.find_sweep(service, who, one, kind, match, SweepRange(**scope))).waiting

            everywhere = versions(one) if kind in {RuleKind.EMAIL_DOMAIN, RuleKind.AUTHOR} else versions(one, two)
            assert await waiting(EVERYTHING, site="one.example") == versions(one)
            assert await waiting(EVERYTHING) == everywhere
            assert await waiting(limited) == versions(one)


async def test_a_ban_by_the_api_marks_what_was_counted_for_30_days_on_one_site(service, clock):
    old = await post(service, "old pills", address="203.0.113.1", thread="/old/")
    clock.move(days=31)
    spam, public = [await post(service, f"pills {n}", address=f"203.0.113.{n}") for n in range(2)]
    await decide(service, ActionVerb.APPROVE, public)
    ways = await ban.list_choices(service, EVERYTHING, spam, BanQuery())
    network = next(one for one in ways.bans if one.kind == "network")
    assert (network.match, network.waiting, network.public) == (NETWORK, 1, 1)
    everything = await ban.list_choices(service, EVERYTHING, spam, BanQuery(sweep_days=0))
    assert next(one for one in everything.bans if one.kind == "network").waiting == 2

    clock.move(minutes=1)
    late = await post(service, "late pills", address="203.0.113.9")
    new = NewBan(kind="network", waiting=1, public=1, as_of=ways.as_of, note="a shop")
    done = await ban.add_ban(service, EVERYTHING, spam, new)
    rule = done.rule
    assert (done.marked, rule.site, rule.effect, rule.note) == (2, "blog", "hold", "a shop")
    assert rule.expires_at == service.ahead(days=30)
    assert await list_waiting(service) == {old, late}
    await undo.undo_action(service, EVERYTHING, done.action)
    assert await list_waiting(service) == {old, late, spam}
    assert (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules == []


async def list_waiting(service):
    return {row["id"] for row in await everything_in(service, "comment") if row["status"] == "pending"}


async def test_a_ban_marks_nothing_that_nobody_asked_for(service):
    spam = await post(service, "pills", address="203.0.113.1")
    done = await ban.add_ban(service, EVERYTHING, spam, NewBan(kind="network", days=0))
    assert (done.marked, done.rule.expires_at) == (0, None)
    assert await list_waiting(service) == {spam}


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"kind": "network", "waiting": 2}, ExpectationFailed),
        ({"kind": "network", "waiting": 1, "public": 1}, ExpectationFailed),
        ({"kind": "website", "waiting": 0}, Invalid),  # they gave none
        ({"kind": "network", "as_of": "yesterday"}, Invalid),
        ({"kind": "email", "effect": "refuse"}, Invalid),
        ({"kind": "network", "all_sites": True}, Invalid),  # for a moderator of one site
    ],
)
async def test_a_ban_that_is_not_as_expected_changes_nothing(service, asked, refused):
    spam = await post(service, "pills", address="203.0.113.1")
    (site,) = await everything_in(service, "site")
    limited = msgspec.structs.replace(EVERYTHING, sites=(site["id"],))
    with pytest.raises(refused):
        await ban.add_ban(service, limited, spam, validate(NewBan, asked, Limits()))
    assert await list_waiting(service) == {spam}
    assert await everything_in(service, "rule") == []


@pytest.mark.parametrize("name", ["kind", "effect", "days", "sweep_days", "waiting", "public", "note", "as_of"])
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_value_never_widens_a_ban(name, empty):
    with pytest.raises(Invalid) as refused:
        validate(NewBan, {"kind": "network", name: empty}, Limits())
    assert [fault.field for fault in refused.value.faults] == [name]


async def test_moderators_teach_by_a_sweep_and_take_it_back_by_its_undo(service):
    for number in range(2):
        await post(service, f"pills {number}", address=f"203.0.113.{number}")
    done = await ban.ban_commenter(service, EVERYTHING, BAN, await find_waiting(service, RuleKind.NETWORK, NETWORK))
    remembered = await everything_in(service, "memory")
    assert [(row["label"], row["source"]) for row in remembered] == [("spam", "person")] * 2
    await undo.undo_action(service, EVERYTHING, done.action)
    assert await everything_in(service, "memory") == []


async def test_a_ban_form_without_its_site_bans_on_the_site_of_the_comment(served, aiohttp_client):
    service = await served(sites="https://one.example https://two.example")
    mine = await post(service, "pills", thread="https://one.example/a/", address="203.0.113.9")
    theirs = await post(service, "pills too", thread="https://two.example/a/", address="203.0.113.9")
    client = await aiohttp_client(application(service))
    token = (await a_key(service))["Authorization"].removeprefix("Bearer ")
    await client.post("/moderate/sign-in", data={"key": token}, headers=SAME_ORIGIN)
    form = {"csrf": await read_csrf_token(client), "kind": "network", "do": "save", "waiting": "on"}
    for place, banned in (({}, ["one.example"]), ({"site": ""}, ["one.example", None])):
        sent = form | place | {"shown": "network 2 0"}
        answer = await client.post(f"/moderate/comments/{mine}/ban", data=sent, headers=SAME_ORIGIN)
        assert (answer.status, await sites_of_rules(service)) == (200, banned)
        assert (await queue.get_comment_detail(service, EVERYTHING, mine)).status == "spam"
        is_everywhere = None in banned
        status = (await queue.get_comment_detail(service, EVERYTHING, theirs)).status
        assert status == ("spam" if is_everywhere else "pending")


async def sites_of_rules(service):
    return [rule.site for rule in (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules]
