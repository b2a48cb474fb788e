"""A moderator tests the learned filter on past decisions before it holds anything."""

import pytest

from commentsvc.domain.models import ActionVerb, Scope
from commentsvc.moderation import undo
from commentsvc.sites import manage as sites
from commentsvc.sites.schemas import NewSite
from tests.conftest import EVERYTHING, a_key
from tests.rules.test_manage import answer
from tests.spam import teaching
from tests.spam.teaching import GOOD, SPAM, decide, teach


async def write_comments(service, template, number, **fields):
    """Post so many comments in another thread than what the filter was taught; return their ids."""
    return await teaching.write_comments(service, template, number, **{"thread": f"/{template[:4]}/"} | fields)


async def replay(client, key, status=200, **asked):
    response = await client.post("/v1/rules/test", json={"kind": "learned"} | asked, headers=key)
    return await answer(response, status)


async def test_a_moderator_sees_what_the_filter_would_have_caught(client, service, key):
    await teach(service)
    spam = await write_comments(service, SPAM, 10)
    await decide(service, ActionVerb.SPAM, spam)
    good = await write_comments(service, GOOD, 10)
    await decide(service, ActionVerb.APPROVE, good)
    result = await replay(client, key, match="99.5", last=20)
    learned = result["learned"]
    assert (result["tried"], result["effect"]) == (20, "note")
    assert (learned["spam"], learned["good"], learned["from_spam"], learned["from_good"]) == (10, 10, 18, 34)
    assert (result["rejected"], result["approved"], result["missed"]) == (10, 0, 0)
    assert [point["keep"] for point in learned["curve"]] == [number / 10 for number in range(980, 1001)]
    assert {point["caught"] for point in learned["curve"] if point["keep"] <= 99.5} == {10}
    assert all(feature["text"] for feature in [*learned["spam_features"], *learned["good_features"]])
    assert (len(learned["spam_features"]), len(learned["good_features"])) == (4, 3)
    assert (await answer(await client.get("/v1/rules", headers=key), 200))["rules"] == [], "a test saves no rule"


async def test_a_good_comment_that_it_would_have_held_is_named(client, service, key):
    await teach(service)
    (like_spam,) = await write_comments(service, SPAM, 1)
    await decide(service, ActionVerb.APPROVE, [like_spam])
    result = await replay(client, key, last=1)
    (one,) = result["disagreements"]
    assert (one["comment"], one["status"], one["code"]) == (like_spam, "approved", "learned")
    assert one["reason"].startswith("Spam score ")
    assert (result["hit"], result["approved"], result["learned"]["good"]) == (1, 1, 1)


async def test_before_it_knows_enough_it_says_how_many_decisions_are_missing(client, service, key):
    assert (await replay(client, key))["learned"]["missing_good"] == 20
    await teach(service, good=12, spam=5)
    result = await replay(client, key)
    learned = result["learned"]
    assert (result["tried"], learned["missing_good"], learned["missing_spam"]) == (0, 8, 0)


async def test_what_was_undone_and_the_trash_do_not_count(client, service, key):
    await teach(service)
    taken_back = await decide(service, ActionVerb.SPAM, await write_comments(service, SPAM, 4))
    await decide(service, ActionVerb.TRASH, await write_comments(service, "rude number {number}", 3))
    assert (await replay(client, key))["tried"] == 7
    await undo.undo_action(service, EVERYTHING, taken_back)
    assert (await replay(client, key))["tried"] == 3


async def test_a_stored_filter_is_tested_as_it_is_stored(client, service, key):
    await teach(service)
    await decide(service, ActionVerb.SPAM, await write_comments(service, SPAM, 3))
    rule = await client.post("/v1/rules", json={"kind": "learned", "match": "98", "effect": "hold"}, headers=key)
    assert (await answer(rule, 201))["match"] == "98"
    assert (await replay(client, key, match="98", effect="hold"))["learned"]["keep"] == 98.0


async def test_a_filter_is_tested_on_the_sites_of_its_key(client, service, key):
    await sites.add_site(service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    for site in ("blog", "other"):
        await teach(service, site=site)
        await decide(service, ActionVerb.SPAM, await write_comments(service, SPAM, 2, site=site))
    assert (await replay(client, key))["learned"]["from_spam"] == 20
    assert (await replay(client, key, site="other"))["learned"]["from_spam"] == 10
    limited = await a_key(service, Scope.MODERATE, site="blog")
    assert (await replay(client, limited))["learned"]["from_spam"] == 10
    await replay(client, limited, 422, site="other")


@pytest.mark.parametrize(
    ("asked", "field", "cure"),
    [
        ({"match": "many"}, "match", "Enter the percentage of good comments to keep"),
        ({"match": "50"}, "match", "Enter the percentage of good comments to keep"),
        ({"effect": "refuse"}, "effect", "note, hold, spam"),
        ({"last": 5001}, "last", "5000"),
        ({"kind": "links", "match": "1", "last": 1001}, "last", "1,000"),
    ],
)
async def test_a_mistake_is_named_with_its_cure(client, key, asked, field, cure):
    (fault,) = (await replay(client, key, 422, **asked))["errors"]
    assert fault["field"] == field
    assert cure in fault["detail"]


async def test_the_memory_of_decisions_is_always_on_and_is_no_rule_to_add(client, key):
    response = await client.post("/v1/rules", json={"kind": "repeat"}, headers=key)
    (fault,) = (await answer(response, 422))["errors"]
    assert fault["field"] == "kind"
