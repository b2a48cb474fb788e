"""The moderator's search: texts that readers take for the same are found alike."""

import unicodedata

import pytest

from commentsvc.comments import edit
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.models import ActionVerb, Mode, RuleKind, StatusFilter
from commentsvc.moderation import actions, erase, queue, threads
from commentsvc.moderation.schemas import Action, PrivateSearch, ThreadChange, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, sign_in_moderator
from tests.cli.test_moderate import command, pending_comments
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, fields_of, post, visit

# What was typed, and what a moderator types to find it.
SAME = {
    "accent as a character of its own": ("cafe\u0301 noir", "caf\u00e9"),
    "accented letter": ("caf\u00e9 noir", "cafe\u0301"),
    "ligature": ("\ufb01nally o\ufb03ce", "finally office"),
    "full width": ("\uff26\uff32\uff25\uff25 \uff17", "free 7"),
    "half width": ("\uff76\uff9e\uff72\uff84\uff9e", "ガイド"),
    "circled": ("\u24d5\u24e1\u24d4\u24d4", "free"),
    "mathematical": ("\U0001d41f\U0001d42b\U0001d41e\U0001d41e", "free"),
    "units": ("5\u338f", "5kg"),
    "company": ("\u337f", "株式会社"),
    "formula": ("\ufdfa", "صلى الله عليه وسلم"),
    "trade mark": ("Foo\u2122", "footm"),
    "fraction": ("\u00bd litre", "1/2 litre"),
    "ellipsis": ("well\u2026", "well..."),
    "curly apostrophe": ("don\u2019t", "don't"),
    "accent as apostrophe": ("don\u00b4t", "don't"),
    "curly quotes": ("\u201cyes\u201d and \u201eja\u201c and \u00aboui\u00bb", '"yes" and "ja" and "oui"'),
    "straight quotes": ('"yes"', "\u201cyes\u201d"),
    "long dash": ("1990\u20132000", "1990-2000"),
    "soft hyphen": ("ca\u00adsi\u200bno", "casino"),
    "invisible in the search": ("casino", "ca\u200b\u00adsino\ufeff"),
    "no-break space": ("100\u00a0km", "100 km"),
    "line break": ("two\nlines", "two lines"),
    "sharp s": ("Straße", "STRASSE"),
    "capital sharp s": ("STRA\u1e9eE", "straße"),
    "Turkish capital": ("\u0130stanbul", "istanbul"),
    "Turkish dotless i": ("\u0131sparta", "ISPARTA"),
    "Greek sigma": ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03cc\u03c2"),
    "Greek accents": (
        "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1",
        "\u039a\u0391\u039b\u0397\u039c\u0395\u03a1\u0391",
    ),
    "Cyrillic": ("ПРИВЕТ", "привет"),
    "Arabic vowels": ("\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f", "\u0645\u062d\u0645\u062f"),
    "Arabic tatweel": ("\u0645\u062d\u0640\u0640\u0645\u062f", "\u0645\u062d\u0645\u062f"),
    "Hebrew vowels": ("\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
    "struck out": ("c\u0336a\u0336t\u0336", "cat"),
    "markup inside a word": ("a c**a**sino", "casino"),
    "entity": ("&#99;asino", "casino"),
    "markup between words": ("see *this* page", "see this page"),
    "source": ("see *this* page", "*this*"),
}


async def found(service, **query):
    page = await queue.search_comments(service, EVERYTHING, PrivateSearch(**query))
    return [card.comment for card in page.comments]


@pytest.mark.parametrize(("typed", "searched"), SAME.values(), ids=SAME)
async def test_a_moderator_finds_what_looks_like_their_words(service, typed, searched):
    await post(service, f"A \u2013 {typed} \u2013 z")
    await post(service, "Something else")
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert len(await found(service, q=unicodedata.normalize(form, searched))) == 1, form


async def test_accents_and_vowels_that_make_another_word_still_count(service):
    await post(service, "café")
    await post(service, "कि")
    assert (await found(service, q="cafe"), await found(service, q="का")) == ([], [])


@pytest.mark.parametrize("nothing", ["\u200b", "\u00ad\ufeff", " ", "\u0640"])
async def test_a_search_for_nothing_visible_finds_nothing(service, nothing):
    await post(service, "Some words")
    assert await found(service, q=nothing) == []


async def test_names_and_notes_are_found_like_texts(service):
    id_ = await post(service, "Some words", name="Zoe\u0301 \uff2d")
    assert await found(service, q="ZO\u00cb m".replace("\u00cb", "\u00c9")) == ["Some words"]
    change = Action(action=ActionVerb.SPAM, ids=[id_], note="Straße \u201eKauf\u201c")
    await actions.apply_action(service, EVERYTHING, change)
    assert await found(service, status=StatusFilter.SPAM, reason='STRASSE "kauf"') == ["Some words"]


async def test_an_edited_comment_is_found_by_its_new_words_only_and_an_erased_one_by_none(service):
    receipt = await post_comment(service, draft(comment="cafe\u0301"), visit())
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="\uff34ea"), visit())
    assert (await found(service, q="café"), await found(service, q="TEA")) == ([], ["\uff34ea"])
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[receipt.id]))
    await erase.erase_permanently(service, EVERYTHING, receipt.id)
    assert await everything_in(service, "comment_search") == []


async def test_a_moderator_finds_threads_by_title_and_address_however_their_letters_are_encoded(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        titled = [await post(service, "Hello", thread="/caf%C3%A9/", title="U\u0308ber die Stra\u00dfe")]
        titled.append(await post(service, "Hello", thread="/tea/", title="\u201cGreen tea\u201d"))
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=titled))

        async def titles(words):
            page = await threads.list_threads(service, EVERYTHING, ThreadListQuery(q=words))
            return [thread.key for thread in page.threads]

        assert await titles("ÜBER DIE STRASSE") == await titles("CAFE\u0301") == ["/caf%C3%A9"]
        assert await titles('"green tea"') == ["/tea"]
        (tea,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery(q="tea"))).threads
        await threads.change_thread(service, EVERYTHING, tea.id, ThreadChange(title="\uff2d\u00c5TCHA"))
        assert (await titles('"green"'), await titles("ma\u030atcha")) == ([], ["/tea"])


async def test_a_program_searches_with_decomposed_letters(client, service, key):
    await post(service, "caf\u00e9 \u2018creme\u2019")
    response = await client.get("/v1/moderation/comments", params={"q": "CAFE\u0301 'creme'"}, headers=key)
    assert [card["comment"] for card in (await response.json())["comments"]] == ["caf\u00e9 \u2018creme\u2019"]


async def test_the_same_text_with_other_quotes_is_a_duplicate_and_matches_the_same_word_rule(
    database_url, clock, aiohttp_client
):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))
        first = await client.post("/v1/comments", json=fields_of(comment="I don't \u201cknow\u201d cafe\u0301s"))
        again = await client.post("/v1/comments", json=fields_of(comment='I don\u2019t "know" caf\u00e9s'))
        assert (first.status, again.status) == (201, 409)
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="don\u2019t know"))
        held = await client.post("/v1/comments", json=fields_of(comment="Please don't know."))
        assert held.status == 202


async def test_a_moderator_searches_on_the_page(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    csrf = await sign_in_moderator(client, service)
    await post(service, "STRASSE zum cafe\u0301")
    await post(service, "Something else")
    form = {"csrf": csrf, "text": "stra\u00dfe zum \uff23\uff21f\u00c9", "status": "pending"}
    page = await (await client.post("/moderate/search", data=form, headers=SAME_ORIGIN)).text()
    assert ("STRASSE zum" in page, "Something else" in page) == (True, False)


def test_a_moderator_searches_in_the_terminal(tmp_path):
    (wanted, _) = pending_comments(tmp_path, "STRASSE zum cafe\u0301", "Something else")
    (card,) = command(tmp_path, "queue", "--q", "stra\u00dfe zum caf\u00e9", "--json").json()["comments"]
    assert card["id"] == wanted
