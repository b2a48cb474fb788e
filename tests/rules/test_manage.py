"""Moderators add, change, delete and backtest rules."""

import asyncio
from datetime import timedelta

import pytest

from commentsvc.access import moderators
from commentsvc.comments import post
from commentsvc.domain.errors import RejectedByRule
from commentsvc.domain.models import Effect, Mode, RuleKind, Scope
from commentsvc.domain.timestamps import format_time
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, draft, fields_of, visit


@pytest.fixture
async def open_service(database_url, clock):
    """A service that publishes every comment that no rule holds."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


@pytest.fixture
async def client_of(aiohttp_client):
    """A function that returns a client of a given service."""

    async def start(service):
        return await aiohttp_client(application(service))

    return start


async def answer(response, status):
    body = await response.json()
    assert response.status == status, body
    return body


async def add_rule(client, key, kind, match="", **more):
    response = await client.post("/v1/rules", json={"kind": kind, "match": match} | more, headers=key)
    return await answer(response, 201)


async def write(client, **changed):
    response = await client.post("/v1/comments", json=fields_of(**changed))
    return response.status, await response.json()


async def queue(client, key, **asked):
    found = await answer(await client.get("/v1/moderation/comments", params=asked, headers=key), 200)
    return found["comments"]


async def test_a_rule_applies_from_when_it_is_added_until_it_is_deleted(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    assert (await write(client, comment="https://a.example"))[0] == 201

    rule = await add_rule(client, key, "links", "0", note="no links, please")
    assert (rule["effect"], rule["site"], rule["note"]) == ("hold", None, "no links, please")
    status, held = await write(client, comment="https://b.example")
    assert (status, held["status"]) == (202, "pending")
    (card,) = await queue(client, key)
    assert card["reasons"][0]["actor"]["name"] == "links"
    assert card["reasons"][0]["text"] == "Contains 1 link (limit 0): b.example."

    await answer(await client.delete(f"/v1/rules/{rule['id']}", headers=key), 200)
    assert (await write(client, comment="https://c.example"))[0] == 201
    await answer(await client.get(f"/v1/rules/{rule['id']}", headers=key), 404)


async def test_a_moderator_can_undo_adding_changing_and_deleting_a_rule(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)

    async def matches():
        listed = await answer(await client.get("/v1/rules", headers=key), 200)
        return [rule["match"] for rule in listed["rules"]]

    async def undo(action, status=200):
        return await answer(await client.post(f"/v1/moderation/actions/{action}/undo", headers=key), status)

    kept = await add_rule(client, key, "links", "2")
    changed = await answer(await client.patch(f"/v1/rules/{kept['id']}", json={"match": "5"}, headers=key), 200)
    taken_back = await undo(kept["action"])
    assert await matches() == []
    refused = await undo(kept["action"], 409)
    assert refused["detail"] == "It was changed since. Reload it and try again."
    await undo(taken_back["id"])
    removed = await answer(await client.delete(f"/v1/rules/{kept['id']}", headers=key), 200)
    assert await matches() == []
    await undo(removed["action"])
    assert await matches() == ["5"]
    undone = await undo(changed["action"])
    assert await matches() == ["2"]
    await undo(changed["action"], 409)
    await undo(undone["id"])
    assert await matches() == ["5"]


async def test_a_ban_expires(open_service, client_of, clock):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "website", "shop.example", expires_at=format_time(clock() + timedelta(days=7)))
    assert (await write(client, website="https://shop.example"))[0] == 202
    clock.move(days=8)
    assert (await write(client, website="https://shop.example", comment="later"))[0] == 201


async def test_an_invalid_rule_is_rejected_with_the_field_and_what_to_enter(client, key):
    async def fault(**rule):
        problem = await answer(await client.post("/v1/rules", json=rule, headers=key), 422)
        (one,) = problem["errors"]
        return one["field"], one["detail"]

    assert await fault(kind="links", match="many") == (
        "match",
        "Enter a whole number of links, 0 or more.",
    )
    assert await fault(kind="email", match="nobody") == (
        "match",
        "Enter a valid email address, like name@example.com.",
    )
    assert await fault(kind="words", match="casino", effect="spam") == (
        "effect",
        "A rule of kind words can have the effect: hold, note.",
    )
    assert await fault(kind="email_domain", match="a.example", effect="refuse") == (
        "effect", "A rule of kind email_domain can have the effect: hold, spam, note.",
    )  # fmt: skip
    assert (await fault(kind="links", match="1", expires_at="2030-01-01T00:00:00Z"))[0] == "expires_at"
    assert (await fault(kind="network", match="10.0.0.0/8", expires_at="2020-01-01T00:00:00Z"))[0] == "expires_at"
    assert (await fault(kind="colour", match="red"))[0] == "kind"
    assert (await fault(kind="links", match="1", site="nowhere"))[0] == "site"


async def test_a_banned_email_is_encrypted_and_readers_see_it_masked(service, client, key):
    rule = await add_rule(client, key, "email", "Troll@Example.com")
    assert rule["match"] == "Troll@example.com"
    reader = await a_key(service, Scope.READ, name="reader")
    seen = await answer(await client.get(f"/v1/rules/{rule['id']}", headers=reader), 200)
    assert seen["match"] == "T…@example.com"
    (row,) = await everything_in(service, "rule")
    assert "example.com" not in str(dict(row))
    await write(client, email="troll@EXAMPLE.com")
    (card,) = await queue(client, key, reason="email")
    assert card["reasons"][0]["text"] == "This email address is banned."


async def test_a_long_word_list_is_stored_whole_and_listed_truncated(client, key):
    words = "\n".join(f"word{number}" for number in range(65_000))
    rule = await add_rule(client, key, "words", words)
    assert rule["match_length"] == len(words)
    listed = await answer(await client.get("/v1/rules", headers=key), 200)
    assert len(listed["rules"][0]["match"]) == 200
    assert listed["rules"][0]["match_length"] == len(words)
    whole = await answer(await client.get(f"/v1/rules/{rule['id']}", headers=key), 200)
    assert whole["match"] == words
    await write(client, comment="I like word64999 best")
    (card,) = await queue(client, key)
    assert card["reasons"][0]["text"] == "Words not allowed: word64999."


async def test_rules_are_listed_in_pages(client, key):
    for number in range(5):
        await add_rule(client, key, "links", str(number))
    seen, cursor = [], {}
    while True:
        page = await answer(await client.get("/v1/rules", params={"limit": 2} | cursor, headers=key), 200)
        seen += [rule["match"] for rule in page["rules"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ["0", "1", "2", "3", "4"]


async def test_a_key_for_one_site_adds_rules_for_that_site_only(database_url, clock, client_of):
    settings = {"moderation": Mode.NONE, "sites": "https://one.example https://two.example"}
    async with a_service(database_url, clock, **settings) as service:
        client = await client_of(service)
        one = await a_key(service, Scope.MODERATE, name="one", site="one.example")
        everywhere = await a_key(service, Scope.MODERATE, name="all")
        rule = await add_rule(client, one, "links", "0")
        assert rule["site"] == "one.example"
        assert (await write(client, thread="https://one.example/a", comment="https://x.example"))[0] == 202
        assert (await write(client, thread="https://two.example/a", comment="https://x.example"))[0] == 201
        wide = await add_rule(client, everywhere, "links", "0")
        assert wide["site"] is None
        await answer(await client.delete(f"/v1/rules/{wide['id']}", headers=one), 403)
        two = await a_key(service, Scope.MODERATE, name="two", site="two.example")
        await answer(await client.delete(f"/v1/rules/{rule['id']}", headers=two), 404)
        await answer(await client.post(f"/v1/moderation/actions/{rule['action']}/undo", headers=two), 404)


async def test_every_matching_rule_is_listed_as_a_reason(client, key):
    await add_rule(client, key, "links", "0")
    await add_rule(client, key, "words", "casino")
    await write(client, comment="casino https://a.example")
    for rule in ("links", "words", "mode"):
        (card,) = await queue(client, key, reason=rule)
    assert [reason["actor"]["name"] for reason in card["reasons"]] == ["links", "words", "mode"]
    assert await queue(client, key, reason="website") == []
    (found,) = await queue(client, key, reason="words not allowed")
    assert found["id"] == card["id"]


async def test_a_refused_comment_is_not_stored_and_the_commenter_is_told_why(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "links", "1", effect="refuse")
    status, problem = await write(client, comment="https://a.example https://b.example")
    assert (status, problem["code"]) == (403, "rejected_by_rule")
    assert problem["detail"] == "Contains 2 links (limit 1): a.example, b.example."
    assert await everything_in(open_service, "comment") == []
    assert await everything_in(open_service, "thread") == []


async def test_readers_see_that_an_old_thread_is_closed_and_cannot_comment(open_service, client_of, clock):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await write(client)

    async def closed():
        listing = await answer(await client.get("/v1/comments", params={"thread": "/a-page/"}), 200)
        return listing["thread"]["closed"]

    rule = await add_rule(client, key, "closing_age", "30", effect="refuse")
    assert not await closed()
    clock.move(days=31)
    assert await closed()
    status, problem = await write(client, comment="Too late?")
    assert (status, problem["code"]) == (403, "thread_closed")
    await answer(await client.delete(f"/v1/rules/{rule['id']}", headers=key), 200)
    assert not await closed()
    assert (await write(client, comment="Not too late."))[0] == 201


async def test_pace_rules_count_by_network_not_by_name_or_email(open_service, clock):
    await manage.add_rule(open_service, EVERYTHING, NewRule(kind=RuleKind.TOO_FAST, match="30"))
    await manage.add_rule(open_service, EVERYTHING, NewRule(kind=RuleKind.TOO_MANY, match="3"))

    async def status(number, address, seconds):
        clock.move(seconds=seconds)
        sent = draft(comment=f"number {number}", name=f"Name {number}", email=f"n{number}@example.com")
        return (await post.post_comment(open_service, sent, visit(address=address))).status

    assert await status(1, "198.51.100.7", 0) == "approved"
    assert await status(2, "198.51.100.8", 10) == "pending"  # the same /24
    assert await status(3, "203.0.113.9", 1) == "approved"
    assert await status(4, "198.51.100.7", 60) == "approved"
    assert await status(5, "198.51.100.7", 60) == "pending"  # the fourth within the hour
    assert await status(6, "198.51.100.7", 7200) == "approved"


async def test_the_same_text_on_another_page_is_found(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "same_text", "1", effect="spam")
    praise = "What a wonderful article, I learned so much."
    assert (await write(client, comment=praise))[0] == 201
    assert (await write(client, thread="/another/", comment=praise.replace(" ", "  ")))[0] == 202
    assert (await queue(client, key, status="spam"))[0]["reasons"][0]["actor"]["name"] == "same_text"


async def test_rules_also_apply_to_an_edited_comment(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "links", "0")
    _, posted = await write(client)
    token = {"Authorization": f"Bearer {posted['edit_token']}"}
    edited = await client.patch(f"/v1/comments/{posted['id']}", json={"comment": "https://a.example"}, headers=token)
    assert (await answer(edited, 200))["status"] == "pending"
    listing = await answer(await client.get("/v1/comments", params={"thread": "/a-page/"}), 200)
    assert listing["comments"] == []


async def test_a_refused_edit_leaves_the_comment_unchanged(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "links", "0", effect="refuse")
    _, posted = await write(client)
    token = {"Authorization": f"Bearer {posted['edit_token']}"}
    refused = await client.patch(f"/v1/comments/{posted['id']}", json={"comment": "https://a.example"}, headers=token)
    await answer(refused, 403)
    listing = await answer(await client.get("/v1/comments", params={"thread": "/a-page/"}), 200)
    assert listing["comments"][0]["html"] == posted["html"]


async def test_a_comment_under_a_moderators_name_is_held(open_service, client_of):
    client = await client_of(open_service)
    await moderators.add_moderator(open_service, "Ada", email("ada@blog.example"), [])
    key = await a_key(open_service, Scope.MODERATE)
    assert (await write(client, name="ada"))[0] == 202
    assert (await write(client, name="Аdа", comment="in Cyrillic letters"))[0] == 202
    assert (await write(client, name="Adam", comment="another name"))[0] == 201
    reasons = {card["name"]: card["reasons"][0]["actor"]["name"] for card in await queue(client, key)}
    assert reasons == {"ada": "impersonation", "Аdа": "impersonation"}
    # In mode none the response must not reveal which address is a moderator's.
    assert (await write(client, email="ada@blog.example", comment="by address"))[0] == 201


def email(text):
    return draft(email=text).email


async def test_a_comment_with_a_moderators_email_is_held_in_mode_trusted(database_url, clock, client_of):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        client = await client_of(service)
        await moderators.add_moderator(service, "Ada", email("ada@blog.example"), [])
        key = await a_key(service, Scope.MODERATE)
        await write(client, email="ada@blog.example")
        (card,) = await queue(client, key)
        assert [reason["actor"]["name"] for reason in card["reasons"]] == ["impersonation", "new_author"]


async def test_a_known_author_is_banned_by_the_token_and_not_by_the_email(database_url, clock, client_of):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        client = await client_of(service)
        key = await a_key(service, Scope.MODERATE)

        async def known(email):
            _, posted = await write(client, email=email, comment=f"by {email}")
            act = {"action": "approve", "ids": [posted["id"]]}
            await answer(await client.post("/v1/moderation/actions", json=act, headers=key), 200)
            return posted["id"], posted["author_token"]

        (_, mia), (troll_comment, troll) = await known("mia@example.com"), await known("troll@example.com")
        await add_rule(client, key, "email", "troll@example.com", effect="spam")
        assert (await write(client, author_token=mia, email="troll@example.com", comment="one"))[0] == 201
        ban = await add_rule(client, key, "author", troll_comment)
        assert (await write(client, author_token=troll, email="other@example.com", comment="two"))[0] == 202
        assert (await write(client, author_token=mia, comment="three"))[0] == 201
        assert await list_rules(client, key) != []
        refused = await client.post("/v1/rules", json={"kind": "author", "match": "nobody"}, headers=key)
        assert (await answer(refused, 422))["errors"][0]["code"] == "unknown_comment"
        assert ban["effect"] == "hold"


async def post_and_decide(client, key, action, **written):
    _, posted = await write(client, **written)
    await answer(
        await client.post("/v1/moderation/actions", json={"action": action, "ids": [posted["id"]]}, headers=key), 200
    )
    return posted["id"]


async def test_a_moderator_can_backtest_a_rule_on_past_decisions(client, key):
    for number in range(13):
        await post_and_decide(client, key, "spam", comment=f"{number} https://shop.example")
    kept = await post_and_decide(client, key, "approve", comment="Good, see https://docs.example", name="Mia")
    await post_and_decide(client, key, "approve", comment="Good.")
    await post_and_decide(client, key, "trash", comment="Rude.")
    await write(client, comment="https://undecided.example")

    trial = {"kind": "links", "match": "0", "last": 100}
    result = await answer(await client.post("/v1/rules/test", json=trial, headers=key), 200)
    assert {name: result[name] for name in ("tried", "hit", "rejected", "approved", "missed", "effect")} == {
        "tried": 16, "hit": 14, "rejected": 13, "approved": 1, "missed": 1, "effect": "hold",
    }  # fmt: skip
    (against,) = result["disagreements"]
    assert (against["comment"], against["status"], against["name"]) == (kept, "approved", "Mia")
    assert against["reason"] == "Contains 1 link (limit 0): docs.example."
    assert await list_rules(client, key) == []

    few = await answer(await client.post("/v1/rules/test", json=trial | {"last": 3}, headers=key), 200)
    assert (few["tried"], few["hit"]) == (3, 1)


async def list_rules(client, key):
    return (await answer(await client.get("/v1/rules", headers=key), 200))["rules"]


async def test_a_backtest_uses_the_facts_from_when_the_comment_was_sent(client, key, clock):
    first = await post_and_decide(client, key, "approve", comment="one")
    clock.move(seconds=5)
    await post_and_decide(client, key, "spam", comment="two")
    clock.move(hours=2)
    await post_and_decide(client, key, "approve", comment="three")
    clock.move(days=40)
    await post_and_decide(client, key, "spam", comment="late")

    async def tried(kind, match):
        result = await client.post("/v1/rules/test", json={"kind": kind, "match": match}, headers=key)
        found = await answer(result, 200)
        return found["hit"], found["rejected"]

    assert await tried("too_fast", "30") == (1, 1)
    assert await tried("too_many", "1") == (1, 1)
    assert await tried("closing_age", "30") == (1, 1)
    assert await tried("email", "mia@example.com") == (4, 2)
    assert await tried("email_domain", "example.com") == (4, 2)
    assert await tried("network", "127.0.0.0/8") == (4, 2)
    assert first


async def test_a_backtest_of_a_trust_rule_counts_what_it_would_approve(client, key):
    _, posted = await write(client)
    act = {"action": "approve", "ids": [posted["id"]]}
    await answer(await client.post("/v1/moderation/actions", json=act, headers=key), 200)
    await post_and_decide(client, key, "spam", comment="later, badly", author_token=posted["author_token"])
    trial = {"kind": "trust", "match": "1"}
    result = await answer(await client.post("/v1/rules/test", json=trial, headers=key), 200)
    assert (result["hit"], result["rejected"]) == (1, 1)
    assert result["disagreements"][0]["status"] == "spam"


async def test_a_rule_also_refuses_a_comment_posted_without_http(open_service):
    await manage.add_rule(open_service, EVERYTHING, NewRule(kind=RuleKind.LENGTH, match="20..", effect=Effect.REFUSE))
    with pytest.raises(RejectedByRule):
        await post.post_comment(open_service, draft(comment="short"), visit())


async def test_an_edit_does_not_clear_the_verdicts_on_how_a_comment_was_sent(database_url, clock, client_of):
    settings = {"moderation": Mode.NONE, "form_seconds": "3-86400", "proof_of_work": "on"}
    async with a_service(database_url, clock, **settings) as service:
        client = await client_of(service)
        key = await a_key(service, Scope.MODERATE)
        for trap in ("555 1234", None):
            _, posted = await write(client, topic=trap, started=trap and "not ours", comment=f"Buy {trap}")
            token = {"Authorization": f"Bearer {posted['edit_token']}"}
            edited = await client.patch(f"/v1/comments/{posted['id']}", json={"comment": "A dot."}, headers=token)
            assert (await answer(edited, 200))["status"] == "pending"
        reasons = {card["status"]: card["reasons"] for card in await queue(client, key, status="any")}
        assert [reason["actor"]["name"] for reason in reasons["spam"]] == [
            "honeypot",
            "form_token",
            "proof_of_work",
        ]
        assert [reason["actor"]["name"] for reason in reasons["pending"]] == ["form_token", "proof_of_work"]


async def test_an_edit_that_takes_away_the_second_sign_leaves_a_weak_signal_that_holds(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "words", "casino")
    _, posted = await write(client, topic="filled by a browser", comment="Play at my casino.")
    (spam,) = await queue(client, key, status="spam")
    assert [reason["code"] for reason in spam["reasons"]] == ["honeypot_filled", "word_listed"]

    token = {"Authorization": f"Bearer {posted['edit_token']}"}
    await answer(await client.patch(f"/v1/comments/{posted['id']}", json={"comment": "A dot."}, headers=token), 200)
    (held,) = await queue(client, key, status="pending")
    assert [reason["code"] for reason in held["reasons"]] == ["honeypot_filled"]


async def test_a_missing_form_token_alone_does_not_hold_a_comment_or_its_edit(database_url, clock, client_of):
    async with a_service(database_url, clock, moderation=Mode.NONE, form_seconds="3-86400") as service:
        client = await client_of(service)
        status, posted = await write(client)
        assert status == 201
        token = {"Authorization": f"Bearer {posted['edit_token']}"}
        edited = await client.patch(f"/v1/comments/{posted['id']}", json={"comment": "Fixed."}, headers=token)
        assert (await answer(edited, 200))["status"] == "approved"


async def test_an_edit_does_not_publish_what_a_moderator_marked_as_spam(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "links", "0", effect="spam")
    _, posted = await write(client, comment="https://a.example")
    act = {"action": "spam", "ids": [posted["id"]]}
    await answer(await client.post("/v1/moderation/actions", json=act, headers=key), 200)
    token = {"Authorization": f"Bearer {posted['edit_token']}"}
    edited = await client.patch(f"/v1/comments/{posted['id']}", json={"comment": "No link."}, headers=token)
    assert (await answer(edited, 200))["status"] == "pending"


async def test_only_admins_can_change_the_mode_of_a_site_or_undo_it(service, client, key):
    (site,) = (await answer(await client.get("/v1/sites", headers=key), 200))["sites"]
    changed = await answer(await client.patch(f"/v1/sites/{site['id']}", json={"mode": "none"}, headers=key), 200)
    assert (changed["mode"], (await write(client))[0]) == ("none", 201)
    moderator = await a_key(service, Scope.MODERATE, name="noa")
    undo = f"/v1/moderation/actions/{changed['action']}/undo"
    await answer(await client.post(undo, headers=moderator), 403)
    await answer(await client.post(undo, headers=key), 200)
    assert (await write(client, comment="Now held."))[0] == 202


async def test_a_thread_can_have_its_own_mode(service, client, key):
    await write(client)
    (thread,) = (await answer(await client.get("/v1/threads", headers=key), 200))["threads"]
    changed = await client.patch(f"/v1/threads/{thread['id']}", json={"mode": "none"}, headers=key)
    assert (await answer(changed, 200))["mode"] == "none"
    assert (await write(client, comment="Not held here."))[0] == 201
    assert (await write(client, thread="/elsewhere/"))[0] == 202


async def test_two_moderators_who_change_a_rule_at_once_do_not_undo_each_other(service, client, key):
    for number in range(5):
        rule = await add_rule(client, key, "links", str(number))
        path = f"/v1/rules/{rule['id']}"
        removing, noting = await asyncio.gather(
            client.delete(path, headers=key), client.patch(path, json={"note": "shops"}, headers=key)
        )
        assert (removing.status, noting.status in {200, 404}) == (200, True)
    assert await list_rules(client, key) == []


async def test_refused_comments_count_towards_the_rate_limit(database_url, clock, client_of):
    async with a_service(database_url, clock, moderation=Mode.NONE, rate_limit="3/300") as service:
        client = await client_of(service)
        key = await a_key(service, Scope.MODERATE)
        await add_rule(client, key, "links", "0", effect="refuse")
        sent = [(await write(client, comment=f"{number} https://a.example"))[0] for number in range(5)]
        assert sent == [403, 403, 403, 429, 429]


async def test_a_key_for_one_site_sees_bans_of_all_sites_only_masked(database_url, clock, client_of):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await client_of(service)
        everywhere = await a_key(service, Scope.MODERATE, name="all")
        one = await a_key(service, Scope.MODERATE, name="one", site="one.example")
        await add_rule(client, everywhere, "email", "troll@example.com", note="from two.example")
        await add_rule(client, everywhere, "network", "198.51.100.77")
        seen = await list_rules(client, one)
        assert [(rule["match"], rule["note"]) for rule in seen] == [("t…@example.com", None), ("198.51.100.0/24", None)]
