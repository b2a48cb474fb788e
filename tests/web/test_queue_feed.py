"""A moderator follows the queue in a feed reader."""

import re

import feedparser
import pytest

from commentsvc.access import moderators, queue_feeds, rate_limit
from commentsvc.access.preferences import Preferences, save_preferences
from commentsvc.access.queue_feeds import MAX_FEEDS
from commentsvc.domain.errors import Conflict, Forbidden, Invalid, NotFound
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Effect, Principal, RuleKind, Scope
from commentsvc.moderation import actions
from commentsvc.moderation.queue_feed import MAX_ENTRIES
from commentsvc.moderation.schemas import Action
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read, write
from commentsvc.sites.manage import add_site, list_sites
from commentsvc.sites.removal import remove_site
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.storage import moderators as stored
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, sign_in_moderator
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, post
from tests.web.test_feeds import assert_valid

CANARY = "Cassowary"


async def a_moderator(service, name="Ada", sites=()):
    """Add a moderator; return them as a session would."""
    added = await moderators.add_moderator(service, name, None, list(sites))
    ids = {site.name: site.id for site in (await list_sites(service, EVERYTHING)).sites}
    own = tuple(ids[site] for site in sites) or None
    return Principal(Actor(ActorKind.PERSON, added.id, name), frozenset({Scope.READ, Scope.MODERATE}), own, added.id)


async def a_feed(service, who, site="blog", *, shows_text=False):
    """Create a feed; return its path."""
    url = await queue_feeds.create_queue_feed(service, who, site, shows_text=shows_text)
    return url.removeprefix(service.config.own_url)


async def read_feed(client, path, **headers):
    """Return a feed as a feed reader parses it, and its text. Checks that it is valid."""
    async with client.get(path, headers=headers) as answer:
        body = await answer.read()
        assert answer.status == 200, body
        assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert_valid(body, links_itself=False)  # its address is a secret
    parsed = feedparser.parse(body, sanitize_html=False)
    assert not parsed.bozo, parsed.get("bozo_exception")
    return parsed, body.decode()


async def test_a_feed_reader_shows_what_waits(client, service, clock):
    who = await a_moderator(service)
    path = await a_feed(service, who)
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0", effect=Effect.HOLD))
    first = await post(service, "The first.", thread="/first/")
    clock.move(minutes=1)
    second = await post(service, "See https://shop.example/ now.", thread="/second/")

    feed, _ = await read_feed(client, path)
    assert feed.feed.title == "Waiting comments on blog"
    assert [entry.title for entry in feed.entries] == [
        "A comment is waiting on /second",
        "A comment is waiting on /first",
    ]
    assert [entry.link for entry in feed.entries] == [
        f"http://localhost:8080/moderate/comments/{id_}" for id_ in (second, first)
    ]
    assert "Contains 1 link (limit 0)." in feed.entries[0].content[0].value
    assert feed.feed.updated == feed.entries[0].updated


async def test_an_entry_keeps_its_id_and_goes_with_the_decision(client, service, clock):
    path = await a_feed(service, await a_moderator(service))
    held = await post(service, "Hello.")
    before = (await read_feed(client, path))[0].entries[0]

    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[held]))
    assert (await read_feed(client, path))[0].entries == []
    public = feedparser.parse(await (await client.get("/v1/latest.atom")).read())
    clock.move(minutes=5)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.HOLD, ids=[held]))
    after = (await read_feed(client, path))[0].entries[0]
    assert after.id == before.id
    assert after.updated > before.updated
    assert public.entries[0].id != before.id, "a reader of both feeds would show only one of them"


async def test_a_feed_shows_the_fifty_newest(client, service):
    path = await a_feed(service, await a_moderator(service))
    posted = [
        await post(service, f"Number {number}.", address=f"192.0.2.{number}") for number in range(MAX_ENTRIES + 2)
    ]
    feed, _ = await read_feed(client, path)
    assert [entry.link.rpartition("/")[2] for entry in feed.entries] == posted[:1:-1]


async def hold_a_canary(service):
    """Post a comment that is all canaries, and that every rule which quotes one of them holds."""
    for kind, match in (
        (RuleKind.WORDS, CANARY),
        (RuleKind.WEBSITE, "cassowary.example"),
        (RuleKind.EMAIL_DOMAIN, "cassowary-mail.example"),
        (RuleKind.NETWORK, "203.0.113.0/24"),
        (RuleKind.LINKS, "0"),
        (RuleKind.ALL, f"newcomer\nwords: {CANARY}"),
    ):
        await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match, effect=Effect.HOLD))
    held = await post(
        service,
        f"{CANARY} & <b>{CANARY}</b> https://cassowary.example/",
        name=f"{CANARY} Smith",
        email=f"{CANARY}@cassowary-mail.example",
        website="https://cassowary.example/",
        title=f"{CANARY} page",
        address="203.0.113.77",
    )
    note = Action(action=ActionVerb.HOLD, ids=[held], note=f"{CANARY}@cassowary-mail.example from 203.0.113.77")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[held]))
    await actions.apply_action(service, EVERYTHING, note)


async def test_a_feed_has_nothing_that_the_commenter_wrote(client, service):
    path = await a_feed(service, await a_moderator(service))
    await hold_a_canary(service)
    feed, text = await read_feed(client, path)
    reasons = re.findall("<li>(.*?)</li>", feed.entries[0].content[0].value)
    assert sorted(reasons) == [
        "Combined",
        "Contains 1 link (limit 0).",
        "Email domain",
        "Every comment on this site is held for moderation.",
        "This network is banned.",
        "Website",
        "Words",
    ]
    assert "cassowary" not in text.lower()
    assert "203.0.113" not in text


async def test_a_feed_with_texts_has_no_address_and_nothing_to_click(client, service):
    path = await a_feed(service, await a_moderator(service), shows_text=True)
    await hold_a_canary(service)
    feed, text = await read_feed(client, path)
    (entry,) = feed.entries
    assert entry.author == f"{CANARY} Smith"
    content = entry.content[0].value
    assert f"{CANARY} &amp; &lt;b&gt;{CANARY}&lt;/b&gt; https://cassowary.example/" in content
    assert re.findall('href="([^"]*)"', content) == [entry.link]
    assert f"Words not allowed: {CANARY}." in content
    assert "cassowary-mail" not in text.lower()
    assert "203.0.113" not in text
    assert f"{CANARY} page" not in text, "until it is approved, only the form says what the title is"


async def test_a_feed_reader_asks_again_and_gets_304_until_something_changes(client, service):
    path = await a_feed(service, await a_moderator(service))
    await post(service, "Hello.")
    async with client.get(path) as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    async with client.get(path, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["Cache-Control"] == "private, no-cache"
    await post(service, "Another one.", address="192.0.2.7")
    async with client.get(path, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 200


async def test_a_feed_is_in_the_language_that_its_moderator_chose(client, service):
    who = await a_moderator(service)
    path = await a_feed(service, who)
    assert "en" in (await read_feed(client, path))[1]
    await save_preferences(service, who, Preferences("ar"))
    assert 'xml:lang="ar"' in (await read_feed(client, path))[1]


async def test_a_revoked_feed_ends_at_once(client, service):
    who, other = await a_moderator(service), await a_moderator(service, "Ben")
    path = await a_feed(service, who)
    (feed,) = await queue_feeds.list_queue_feeds(service, who)
    with pytest.raises(NotFound):
        await queue_feeds.revoke_queue_feed(service, other, feed.id)
    assert (await client.get(path)).status == 200
    await queue_feeds.revoke_queue_feed(service, who, feed.id)
    assert (await client.get(path)).status == 404
    assert await queue_feeds.list_queue_feeds(service, who) == []


async def test_a_feed_ends_with_its_moderator(client, service):
    path = await a_feed(service, await a_moderator(service))
    await moderators.remove_moderator(service, "Ada")
    assert (await client.get(path)).status == 404
    assert await everything_in(service, "queue_feed") == []


async def test_a_feed_ends_with_access_to_its_site(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        everywhere, limited = await a_moderator(service), await a_moderator(service, "Ben", ["two.example"])
        paths = [await a_feed(service, who, "two.example") for who in (everywhere, limited)]
        with pytest.raises(Invalid):
            await a_feed(service, limited, "one.example")
        assert [(await client.get(path)).status for path in paths] == [200, 200]
        await limit_to(service, everywhere, "one.example")
        assert [(await client.get(path)).status for path in paths] == [404, 200]


async def limit_to(service, who, site):
    """Give a moderator of every site access to one site only."""
    ids = {one.name: one.id for one in (await list_sites(service, EVERYTHING)).sites}

    @write
    async def limit(unit):
        await stored.add_site(unit, who.moderator_id, ids[site])

    await limit(service)


async def test_a_feed_ends_with_its_site(client, service):
    added = await add_site(service, EVERYTHING, NewSite(name="second", origins=["https://second.example"]))
    path = await a_feed(service, await a_moderator(service), "second")
    await remove_site(service, EVERYTHING, added.id, SiteRemoval(expect=0))
    assert (await client.get(path)).status == 404


async def test_a_feed_shows_one_site_only(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        path = await a_feed(service, await a_moderator(service), "one.example")
        await post(service, "Here.", thread="https://one.example/a/")
        await post(service, "There.", thread="https://two.example/b/")
        feed, _ = await read_feed(client, path)
        assert [entry.title for entry in feed.entries] == ["A comment is waiting on /a"]


async def test_when_a_feed_was_last_read_is_stored_once_an_hour(client, service, clock):
    who = await a_moderator(service)
    path = await a_feed(service, who)

    async def last_used():
        await client.get(path)
        return (await queue_feeds.list_queue_feeds(service, who))[0].last_used_at

    first = await last_used()
    clock.move(minutes=59)
    assert await last_used() == first
    clock.move(minutes=2)
    assert await last_used() == service.now()


async def test_a_token_is_in_no_table_and_in_no_log(client, service, caplog):
    caplog.set_level("DEBUG")
    who = await a_moderator(service)
    path = await a_feed(service, who)
    token = path.removeprefix("/queue/").removesuffix(".atom")
    _, text = await read_feed(client, path)
    await client.get("/queue/wrong-token.atom")
    assert token not in text
    assert token not in caplog.text
    assert "wrong-token" not in caplog.text
    tables = ["queue_feed", "audit"]
    assert token not in str([await everything_in(service, table) for table in tables])
    assert [row["verb"] for row in await everything_in(service, "audit")].count("feed_create") == 1


async def test_wrong_tokens_are_limited_and_right_ones_are_not(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, rate_limit="1/60") as service:
        client = await aiohttp_client(application(service))
        path = await a_feed(service, await a_moderator(service))
        tries = rate_limit.REFUSALS_PER_COMMENT
        statuses = [(await client.get(f"/queue/wrong{number}.atom")).status for number in range(tries + 1)]
        assert statuses == [404] * tries + [429]
        assert (await client.get(path)).status == 200


async def test_a_moderator_has_a_limited_number_of_feeds(service):
    who = await a_moderator(service)
    for _ in range(MAX_FEEDS):
        await a_feed(service, who)
    with pytest.raises(Conflict):
        await a_feed(service, who)


async def test_a_key_of_nobody_has_no_feed(service):
    with pytest.raises(Forbidden):
        await a_feed(service, EVERYTHING)


async def test_a_moderator_makes_a_feed_on_the_account_page_and_revokes_it(client, service):
    csrf = await sign_in_moderator(client, service)
    form = {"csrf": csrf, "site": "blog"}
    page = await (await client.post("/moderate/account/feeds", data=form, headers=SAME_ORIGIN)).text()
    (path,) = set(re.findall(r"http://localhost:8080(/queue/[\w-]+\.atom)", page))
    await read_feed(client, path)
    page = await (await client.get("/moderate/account", headers=SAME_ORIGIN)).text()
    assert path not in page
    (feed,) = re.findall('name="feed" value="([^"]+)"', page)
    answer = await client.post(
        "/moderate/account/feeds/revoke", data={"csrf": csrf, "feed": feed}, headers=SAME_ORIGIN, allow_redirects=False
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/moderate/account#feeds")
    assert (await client.get(path)).status == 404


async def test_a_feed_can_be_read_without_the_moderators_session(service, client):
    """The queue needs one; the feed has its own token."""

    @private_read
    async def count(unit):
        return await unit.all("SELECT COUNT(*) AS number FROM session")

    path = await a_feed(service, await a_moderator(service))
    assert (await client.get(path)).status == 200
    assert (await count(service))[0]["number"] == 0
