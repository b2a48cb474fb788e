"""New comments are scored by the filter of their site, and the rule ``learned`` uses the score."""

import pytest

from commentsvc.comments.edit import edit_comment
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.models import Effect, Mode, RuleKind, Status
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.rules import manage
from commentsvc.rules.learned import parse_keep
from commentsvc.rules.schemas import NewRule
from commentsvc.spam import scoring, training
from commentsvc.spam.filter import SpamFilter
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, post, visit
from tests.spam.teaching import teach
from tests.spam.test_training import CASINO, LETTER, score_of

# Words of spam in another order and without its links: memory does not know it.
PROMO = "Tonight: slots! Money from a casino. Play, win, bonus, cheap, best."


@pytest.fixture
async def taught(database_url, clock):
    """A service that publishes comments without moderation, whose filter has learned."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await teach(service)
        await training.train_sites(service)
        yield service


async def card_of(service, comment_id):
    (card,) = await queue.get_comments(service, EVERYTHING, [comment_id])
    return card


async def test_without_a_rule_the_score_is_only_shown(taught):
    card = await card_of(taught, await post(taught, PROMO, name="New"))
    assert card.status is Status.APPROVED
    assert card.spam_score > 0.6
    (reason,) = [one for one in card.reasons if one.code == "learned"]
    assert reason.actor.name == "learned"
    assert reason.text.startswith("Spam score ")
    assert "“casino”" in reason.text or "“bonus”" in reason.text
    assert len(reason.args["features"].splitlines()) == 5


async def test_a_good_comment_has_a_score_and_no_reason(taught):
    card = await card_of(taught, await post(taught, LETTER, name="New"))
    assert card.spam_score < 0.4
    assert "learned" not in {one.code for one in card.reasons}


@pytest.mark.parametrize(("effect", "status"), [(None, "approved"), ("hold", "pending"), ("spam", "spam")])
async def test_a_moderator_chooses_what_the_filter_does(taught, effect, status):
    new = NewRule(kind=RuleKind.LEARNED, match="99.5", effect=effect and Effect(effect))
    rule = await manage.add_rule(taught, EVERYTHING, new)
    assert rule.effect == effect or rule.effect is Effect.NOTE
    caught = await card_of(taught, await post(taught, PROMO, name="New"))
    assert caught.status == status
    assert [one.actor.id for one in caught.reasons if one.code == "learned"] == [rule.id]
    assert (await card_of(taught, await post(taught, LETTER, name="New"))).status is Status.APPROVED


async def test_the_email_address_changes_no_score_and_no_feature(taught):
    seen = set()
    for number, email in enumerate(("mia@example.com", "casino@win.example", "win.money.tonight@slots.example")):
        comment = await post(taught, PROMO, name="New", email=email, thread=f"/page-{number}/")
        card = await card_of(taught, comment)
        (reason,) = [one.args["features"] for one in card.reasons if one.code == "learned"]
        seen.add((card.spam_score, reason, card.status))
    assert len(seen) == 1


async def test_an_edited_comment_gets_the_score_of_its_new_text(taught):
    receipt = await post_comment(taught, draft(comment=LETTER, name="New"), visit())
    before = await score_of(taught, receipt.id)
    await edit_comment(taught, receipt.id, receipt.edit_token, CommentEdit(comment=CASINO), visit())
    assert await score_of(taught, receipt.id) > before + 200
    assert len(await everything_in(taught, "contact")) == 33


@pytest.mark.parametrize(
    ("text", "keep"), [("", 99.5), ("90", 90), ("99.95", 99.95), (" 100 % ", 100), ("99.5%", 99.5)]
)
def test_the_match_is_the_percentage_of_good_comments_to_keep(text, keep):
    assert parse_keep(text) == keep


@pytest.mark.parametrize("text", ["89.9", "100.1", "nine", "0.995", "99,5", "9e1", "٩٩"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"^$"):
        parse_keep(text)


def test_of_many_sites_the_filters_that_were_used_last_stay_in_memory():
    loaded = scoring.LoadedFilters()
    for number in range(scoring.MOST_LOADED):
        loaded.put(f"site {number}", scoring.LoadedFilter(number, SpamFilter()))
    assert loaded.get("site 0")
    loaded.put("another", scoring.LoadedFilter(1, SpamFilter()))
    assert loaded.get("site 0")
    assert loaded.get("another")
    assert loaded.get("site 1") is None


async def test_the_queue_shows_the_least_likely_spam_first_page_by_page(database_url, clock):
    async with a_service(database_url, clock) as service:
        first = await post(service, "Nobody has scored this.", name="Early")
        await teach(service)
        texts = [CASINO, LETTER, "Casino money, and bread.", "A letter about maps.", CASINO + " Casino.", "Bread."]
        ids = [await post(service, text, name=f"New {at}") for at, text in enumerate(texts)]
        await training.train_sites(service)
        listed, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            page = await queue.search_comments(service, EVERYTHING, QueueQuery(order="score", limit=2, cursor=cursor))
            listed += [(card.spam_score, card.id) for card in page.comments]
            cursor, pages = page.next_cursor, pages + 1
        assert pages == 4
        assert {id_ for _, id_ in listed} == {first, *ids}
        assert listed == sorted(listed)
