"""Operators and moderators see what filters have learned, have them made again, and review the queue by score."""

import asyncio

from commentsvc.cli import commands
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.parser import parse_arguments
from commentsvc.cli.review import Review
from commentsvc.domain.models import ActionVerb, Scope, Status
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.operations import maintenance, training_rounds
from commentsvc.spam import training
from commentsvc.web.routes import application
from tests.cli.test_moderate import Person
from tests.comments.test_post import everything_in, standing
from tests.conftest import a_key, a_service, post
from tests.spam.teaching import SPAM, decide, teach, write_comments
from tests.spam.test_training import CASINO, LETTER

SITES = "https://one.example https://two.example"


async def run_command(service, *words):
    arguments = parse_arguments(words)
    return await commands.load_commands()[arguments.command, arguments.subcommand](
        service, arguments, Person().terminal
    )


async def test_an_operator_reads_how_many_decisions_are_missing_and_when_the_filter_is_ready(database_url, clock):
    async with a_service(database_url, clock, sites=SITES) as service:
        await teach(service, good=19, spam=8, thread="https://one.example/a/")
        assert [line.split() for line in (await run_command(service, "filter", "list")).text.splitlines()] == [
            ["one.example", "0", "0", "needs", "20", "good", "and", "5", "spam"],
            ["two.example", "0", "0", "needs", "20", "good", "and", "5", "spam"],
        ]
        await training.train_sites(service)
        shown = (await run_command(service, "filter", "list", "--site", "one.example")).text
        assert " ".join(shown.split()) == "one.example 19 8 needs 1 good 2026-11-22T16:02:11.000Z"
        await teach(service, good=1, spam=0, thread="https://one.example/b/")
        done = await run_command(service, "filter", "rebuild", "--site", "one.example")
        (record,) = done.data.filters
        assert (record.good, record.spam, record.ready, record.missing_good) == (20, 8, True, 0)
        assert " ready " in done.text


async def test_a_key_of_one_site_sees_and_rebuilds_the_filter_of_that_site_only(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites=SITES) as service:
        client = await aiohttp_client(application(service))
        await teach(service, thread="https://one.example/a/")
        own = await a_key(service, Scope.READ, Scope.MODERATE, site="two.example")
        shown = await (await client.get("/v1/filters", headers=own)).json()
        assert [one["site"] for one in shown["filters"]] == ["two.example"]
        for method, url in (("GET", "/v1/filters?site=one.example"), ("POST", "/v1/filters/rebuild")):
            body = {"site": "one.example"} if method == "POST" else None
            assert (await client.request(method, url, json=body, headers=own)).status == 422
        done = await client.post("/v1/filters/rebuild", json={}, headers=own)
        assert [one["good"] for one in (await done.json())["filters"]] == [0]
        assert {row["good"] for row in await everything_in(service, "spam_filter")} == {0}
        reader = await a_key(service, Scope.READ)
        assert (await client.post("/v1/filters/rebuild", json={}, headers=reader)).status == 403
        empty = await client.post("/v1/filters/rebuild", json={"site": None}, headers=await a_key(service))
        assert empty.status == 422  # a variable that a script forgot to set must not mean every site


async def test_the_queue_in_the_order_of_scores_is_for_pending_comments_without_words(client, key):
    for query, status in (
        ("order=score", 200),
        ("order=score&status=pending&since=2026-01-01T00:00:00Z", 200),
        ("order=score&status=spam", 422),
        ("order=score&status=any", 422),
        ("order=score&reported=true", 422),
        ("order=score&q=bread", 422),
        ("order=score&cursor=bm9uc2Vuc2U", 422),
    ):
        answer = await client.get(f"/v1/moderation/comments?{query}", headers=key)
        assert answer.status == status, query
        if status == 422:
            (fault,) = (await answer.json())["errors"]
            assert fault["field"] == ("cursor" if "cursor" in query else "order")


async def test_filters_combine_with_the_order_of_scores(service, client, key):
    await teach(service)
    ids = [await post(service, text, name=f"New {text[:3]}", thread="/asked/") for text in (CASINO, LETTER)]
    await post(service, LETTER, name="Elsewhere", thread="/other/")
    await training.train_sites(service)
    found = await client.get("/v1/moderation/comments?order=score&thread=/asked/", headers=key)
    cards = (await found.json())["comments"]
    assert [card["id"] for card in cards] == [ids[1], ids[0]]
    assert cards[0]["spam_score"] < 0.5 < cards[1]["spam_score"]


async def test_a_moderator_reviews_the_least_likely_spam_first(service):
    await teach(service)
    for text in (CASINO, LETTER):
        await post(service, text, name=text[:6])
    await training.train_sites(service)
    moderator = Person("n", "s", "q")
    await Review(service, OPERATOR, moderator.terminal, QueueQuery(order="score")).run()
    found = await standing(service)
    assert (found[LETTER], found[CASINO]) == (Status.PENDING, Status.SPAM)


async def test_the_filter_learns_seconds_after_a_decision_while_the_service_runs(service, monkeypatch):
    monkeypatch.setattr(training_rounds, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(training_rounds, "PAUSE_PER_SECOND", 0)
    learned, train_sites = asyncio.Event(), training.train_sites

    async def train_and_tell(service):
        if await train_sites(service):
            learned.set()

    monkeypatch.setattr(training, "train_sites", train_and_tell)
    running = asyncio.create_task(maintenance.run_forever(service))
    marked = await write_comments(service, SPAM, 3)
    await decide(service, ActionVerb.SPAM, marked)
    await asyncio.wait_for(learned.wait(), 20)
    running.cancel()
    (row,) = await everything_in(service, "spam_filter")
    assert row["spam"] == 3
