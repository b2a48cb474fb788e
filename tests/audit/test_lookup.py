"""A moderator acts on the versions they saw, looks actions up and undoes them one by one."""

import ast
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

import commentsvc
from commentsvc.audit import lookup
from commentsvc.audit.undoable_changes import UNDOABLE_FIELDS
from commentsvc.domain.errors import Invalid, NotFound
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Effect, Mode, Principal, RuleKind, Scope, Status
from commentsvc.moderation import actions, queue, threads, undo, verbs, wording
from commentsvc.moderation.schemas import Action, CommentUpdate, QueueQuery, ThreadChange, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.moderation import filters
from tests.comments.test_post import everything_in, standing
from tests.conftest import EVERYTHING, a_service, post
from tests.moderation.test_queue import BOTH_SITES, act, found


async def test_comments_changed_since_they_were_seen_are_skipped(service):
    ids = [await post(service, text) for text in ("one", "two", "three")]
    await act(service, ActionVerb.APPROVE, ids[1])
    action = Action(action=ActionVerb.SPAM, ids=ids, seen={ids[0]: 1, ids[1]: 1})
    result = await actions.apply_action(service, EVERYTHING, action)

    assert [(item.ok, item.code) for item in result.results] == [(True, None), (False, "changed_since"), (True, None)]
    assert result.changed == 2
    assert await standing(service) == {"one": "spam", "two": "approved", "three": "spam"}


async def test_the_api_skips_a_comment_that_was_seen_at_another_version(client, service, key):
    comment = await post(service, "one")
    body = {"action": "spam", "ids": [comment], "seen": {comment: 2}}
    answer = await (await client.post("/v1/moderation/actions", json=body, headers=key)).json()
    assert (answer["changed"], answer["results"][0]["code"]) == (0, "changed_since")
    answer = await (await client.post("/v1/moderation/actions", json=body | {"seen": {comment: 1}}, headers=key)).json()
    assert answer["changed"] == 1


async def test_comments_with_the_same_text_are_found_and_decided_together(service):
    first = await post(service, "Buy my lamps, all of them!", name="A")
    await post(service, "Buy my  lamps,\nall of them!", name="B", address="203.0.113.1", thread="/b/")
    await post(service, "Something else.", name="C")

    assert len(await found(service, same_text=first)) == 2
    assert await actions.count_matching(service, EVERYTHING, {"same_text": first, "status": "pending"}) == 2
    action = Action(action=ActionVerb.TRASH, where={"same_text": first}, expect=2)
    assert (await actions.apply_action(service, EVERYTHING, action)).changed == 2
    with pytest.raises(Invalid):
        await found(service, same_text="01990000-0000-7000-8000-000000000000")


async def test_a_moderator_cannot_search_by_the_text_of_a_comment_on_another_site(database_url, clock):
    async with a_service(database_url, clock, sites=BOTH_SITES) as service:
        theirs = await post(service, "the same words", thread="https://two.example/a/")
        await post(service, "the same words", thread="https://one.example/a/", name="B")
        one = next(row["id"] for row in await everything_in(service, "site") if row["name"] == "one.example")
        mine = Principal(Actor(ActorKind.PERSON, None, "x"), frozenset({Scope.MODERATE}), (one,))
        with pytest.raises(Invalid):
            await found(service, mine, same_text=theirs)
        (card,) = (await queue.search_comments(service, mine, QueueQuery())).comments
        assert (card.similar, card.similar_text, card.similar_network) == (0, 0, 0)
        assert (await queue.count_by_status(service, mine)).pending == 1
        assert await queue.get_comments(service, mine, [theirs]) == []


async def test_a_card_counts_the_same_network_and_the_same_text_separately(service):
    for number in range(3):
        await post(service, f"from here {number}", address="203.0.113.1")
    await post(service, "from here 0", address="192.0.2.1", name="B")
    cards = {card.comment: card for card in (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments}
    card = cards["from here 1"]
    assert (card.similar_network, card.similar_text, card.similar) == (2, 0, 2)
    others = [card for card in cards.values() if card.comment == "from here 0"]
    assert {(card.similar_network, card.similar_text) for card in others} <= {(2, 1), (0, 1)}


async def test_counting_requires_a_filter(service):
    with pytest.raises(Invalid):
        await actions.count_matching(service, EVERYTHING, {"status": "pending"})


async def test_a_session_undoes_its_actions_newest_first(service):
    ada, other_session = (replace(EVERYTHING, session_id=name) for name in ("one", "two"))

    async def decide(who, verb, *comments):
        return await actions.apply_action(service, who, Action(action=verb, ids=list(comments)))

    ids = [await post(service, text, address=f"192.0.{n}.1") for n, text in enumerate(("one", "two", "three"))]
    await decide(EVERYTHING, ActionVerb.SPAM, ids[0])
    await decide(ada, ActionVerb.APPROVE, ids[0])
    rule = await manage.add_rule(service, ada, NewRule(kind=RuleKind.LINKS, match="2"))
    await decide(ada, ActionVerb.SPAM, ids[1], ids[2])
    await decide(other_session, ActionVerb.TRASH, ids[0])
    await decide(ada, ActionVerb.SPAM, ids[1])  # already spam: nothing to undo

    undone_verbs = []
    for _ in range(3):
        action, result = await undo.undo_last_action(service, ada)
        undone_verbs.append((await lookup.find_action(service, EVERYTHING, action)).verb)
        assert result.changed == (2 if undone_verbs == ["spam"] else 1 if undone_verbs[-1] == "rule_add" else 0)
    assert undone_verbs == ["spam", "rule_add", "approve"]
    assert await standing(service) == {"one": "trash", "two": "pending", "three": "pending"}
    for who in (ada, EVERYTHING):
        with pytest.raises(NotFound):
            await undo.undo_last_action(service, who)
    with pytest.raises(NotFound):
        await manage.get_rule(service, EVERYTHING, rule.id)


async def describe(service, action):
    return str(filters.describe_action(await lookup.find_action(service, EVERYTHING, action)))


async def test_a_lookup_describes_an_action_and_its_undo(service):
    comment = await post(service, "one")
    done = await act(service, ActionVerb.SPAM, comment)
    undone = await undo.undo_action(service, EVERYTHING, done.id)
    both = await lookup.find_actions(service, EVERYTHING, [done.id, undone.id])
    assert (both[done.id].verb, both[done.id].number, both[done.id].undone_by) == ("spam", 1, undone.id)
    assert (both[undone.id].verb, both[undone.id].undid) == ("undo", "spam")
    assert str(filters.describe_action(both[done.id])) == "1 comment marked as spam."
    assert str(filters.describe_action(both[undone.id])) == "Undone: 1 comment marked as spam."
    again = await undo.undo_action(service, EVERYTHING, undone.id)
    assert await describe(service, again.id) == "Redone: 1 comment changed."
    assert await lookup.find_action(service, EVERYTHING, "nothing") is None


async def test_every_action_has_a_description(service):
    await post(service, "one")
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    closed = await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(closed=True))
    assert await describe(service, closed.action) == "Thread changed."
    back = await undo.undo_action(service, EVERYTHING, closed.action)
    assert await describe(service, back.id) == "Undone: Thread changed."
    for verb in ActionVerb:
        comment = await post(service, f"a {verb}", name=verb)
        if verb is ActionVerb.RESTORE:
            await act(service, ActionVerb.SPAM, comment)
        if verb is ActionVerb.HOLD:
            await act(service, ActionVerb.APPROVE, comment)
        description = await describe(service, (await act(service, verb, comment)).id)
        assert description.startswith("1 comment ")
        assert verb.value not in description.split() or verb in {ActionVerb.SPAM, ActionVerb.TRASH}


# Functions that write a verb into the audit log, or pass it to one that does.
WRITERS = {"add_entry", "add_status_changes", "record_change", "start", "add_action", "_log", "_save_rule"}


def list_written_verbs():
    for path in Path(commentsvc.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)) if name in WRITERS:
                    values = [*node.args, *(one.value for one in node.keywords if one.arg == "verb")]
                    yield from (one.value for one in values if isinstance(one, ast.Constant))


def test_every_verb_of_the_audit_log_has_a_wording():
    written = {verb for verb in list_written_verbs() if isinstance(verb, str)}
    assert {"rule_add", "sign_in", "moderator_add", "thread_merge", "reseal"} <= written
    # An erasure has the verb of who causes it: "withdraw", "erase" or "erase_again".
    assert written | set(ActionVerb) | {"withdraw", "erase_again"} == set(verbs.VERBS)
    assert set(ActionVerb) <= set(verbs.DONE)


def test_every_enumeration_has_a_wording():
    assert set(wording.VERB_OF_STATUS) == set(Status)
    assert set(wording.EFFECTS) == set(Effect)
    assert set(wording.MODES) == set(Mode)
    assert {name for names in UNDOABLE_FIELDS.values() for name in names} <= set(wording.CHANGED_FIELDS)
    assert set(wording.RULE_KINDS) == set(RuleKind)


def test_every_built_in_rule_has_a_name():
    sources = [path.read_text(encoding="utf-8") for path in Path(commentsvc.__file__).parent.rglob("*.py")]
    used = {name for text in sources for name in re.findall(r'(?:"rule:|ActorKind.RULE, None, ")([a-z_]+)"', text)}
    assert used - set(RuleKind) == set(wording.BUILT_IN_RULES)


def test_actors_have_names():
    names = {
        (ActorKind.PERSON, "Ada"): "Ada",
        (ActorKind.PROGRAM, "Ada"): "API key “Ada”",
        (ActorKind.AUTHOR, "author"): "The commenter",
        (ActorKind.RULE, "mode"): "Rule “moderate everything”",
        (ActorKind.RULE, "links"): "Rule “Links”",
        (ActorKind.RULE, "unknown_one"): "Rule “unknown one”",
        (ActorKind.SYSTEM, "settings"): "The system (settings)",
    }
    assert {(kind, name): str(wording.actor_name(Actor(kind, None, name))) for kind, name in names} == names


async def test_a_moderator_cannot_see_actions_on_another_site(database_url, clock):
    async with a_service(database_url, clock, sites=BOTH_SITES) as service:
        theirs = await post(service, "theirs", thread="https://two.example/a/")
        done = await act(service, ActionVerb.SPAM, theirs)
        rule = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="2", site="two.example"))
        everywhere = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="3"))
        one = next(row["id"] for row in await everything_in(service, "site") if row["name"] == "one.example")
        mine = Principal(Actor(ActorKind.PERSON, None, "x"), frozenset({Scope.MODERATE}), (one,))
        for action in (done.id, rule.action, everywhere.action):
            assert await lookup.find_action(service, mine, action) is None
            assert await lookup.find_action(service, EVERYTHING, action)


async def test_threads_are_found_by_title_and_by_address(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        titled = [await post(service, "one", thread="/2026/Über-uns/", title="About US")]
        titled.append(await post(service, "two", thread="/lamps/", title="100 % lamps_"))
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=titled))
        await post(service, "three", thread="/untitled/")

        async def find_keys(q):
            listed = await threads.list_threads(service, EVERYTHING, ThreadListQuery(q=q))
            return sorted(thread.key for thread in listed.threads)

        assert await find_keys("about us") == ["/2026/%C3%9Cber-uns"]
        assert await find_keys("LAMPS") == ["/lamps"]
        assert await find_keys("lamps_") == ["/lamps"]
        assert await find_keys("%") == []
        assert await find_keys("untit") == ["/untitled"]
        assert len(await find_keys(None)) == 3


async def test_the_id_of_a_merged_thread_returns_the_target_thread(service):
    await post(service, "one", thread="/a/")
    await post(service, "two", thread="/b/")
    listed = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    a, b = (next(thread for thread in listed if thread.key == key) for key in ("/a", "/b"))
    await threads.change_thread(service, EVERYTHING, a.id, ThreadChange(merge_into="/b/"))
    assert (await threads.get_thread(service, EVERYTHING, a.id)).id == b.id
    with pytest.raises(NotFound):
        await threads.get_thread(service, EVERYTHING, "nothing")


async def test_an_encrypted_search_cannot_be_read_or_forged(service):
    encrypted = service.keyring.encrypt_text("mia@example.com")
    assert "mia" not in encrypted
    assert service.keyring.decrypt_text(encrypted) == "mia@example.com"
    assert service.keyring.decrypt_text(encrypted[:-2] + "xx") is None
    await post(service, "one")
    (contact,) = await everything_in(service, "contact")
    assert service.keyring.decrypt_text(contact["email_sealed"]) is None, (
        "a sealed email address is not an encrypted search"
    )


async def test_the_as_of_filter_excludes_comments_changed_later(service, clock):
    early = await post(service, "early")
    edited = await post(service, "edited", name="B")
    seen_at = service.now()
    clock.move(seconds=1)
    await post(service, "late", name="C")
    await actions.update_comment(service, EVERYTHING, edited, 1, CommentUpdate(comment="Other words."))

    assert await found(service, as_of=seen_at) == ["early"]
    where = {"network": "198.51.100.0/24", "as_of": seen_at}
    assert await actions.count_matching(service, EVERYTHING, where) == 1
    result = await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, where=where, expect=1))
    assert [item.comment for item in result.results] == [early]
