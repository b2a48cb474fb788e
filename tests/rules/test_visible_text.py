"""Rules and the duplicate check judge what readers see, and the source."""

import pytest

from commentsvc.domain.models import Mode, Scope
from commentsvc.web.routes import application
from tests.conftest import a_key, a_service, fields_of


@pytest.fixture
async def service(database_url, clock):
    """A service that publishes every comment that no rule holds."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


async def post(client, comment, **changed):
    response = await client.post("/v1/comments", json=fields_of(comment=comment, **changed))
    return response.status


async def add_rule(service, client, kind, match):
    key = await a_key(service, Scope.MODERATE)
    response = await client.post("/v1/rules", json={"kind": kind, "match": match}, headers=key)
    assert response.status == 201, await response.text()


async def test_a_word_rule_finds_the_words_that_readers_see(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await add_rule(service, client, "words", "casino")

    for number, comment in enumerate((
        "casino", "&#99;asino", "c**a**sino", "c_<_&#x61;sino c*asi*no", "cas&shy;ino", "c\\asino c&#97;s&#105;no",
        "[x](https://example.com/ca&#115;ino)", "[x](https://example.com 'c&#97;sino')", "# c~~a~~sino",
        "[x][1]\n\n[1]: https://example.com/ca&#115;ino", "`casino`", "[casino]: unused",
        "[x](https://example.com/casin%6F)", "[x](https://&#xFF43;asino)",
        "my c.a.s.i.n.o!", "C A S I N O", "c*a*s*i*n*o", "\u0441-a-s-i-n-\u043e",
    )):  # fmt: skip
        assert await post(client, comment, thread=f"https://localhost/{number}/") == 202, comment
    assert await post(client, "cas **ino**") == 201
    assert await post(client, "A casin o, and c.a.s.i.n.o.s") == 201
    assert await post(client, "hello", website="https://example.com/casin%6F") == 202
    assert await post(client, "hello", name="C.a.s.i.n.o") == 202


async def test_a_link_rule_counts_the_links_that_readers_see(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await add_rule(service, client, "links", "1")

    for number, comment in enumerate((
        "[a](example.com) [b](example.org)", "[a][1] [b][1]\n\n[1]: https://example.com", "https://a.de https://b.de",
        "&#104;ttps://a.de &#104;ttps://b.de", "`https://a.de` www.b.de", "![](https://a.de/x) [](b.de)",
        "ht\u200btps://a.de ww&shy;w.b.de", "https://a.de,https://b.de",
    )):  # fmt: skip
        assert await post(client, comment, thread=f"https://localhost/{number}/") == 202, comment
    assert await post(client, "one [a](https://example.com)") == 201


async def test_a_length_rule_measures_what_readers_see(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await add_rule(service, client, "length", "10..30")

    assert await post(client, "**a** &#98; &#99; &#100;") == 202
    assert await post(client, "[](https://example.com/long/enough/for/it)") == 202
    assert await post(client, f"short{9 * '&#8203;'}") == 202
    assert await post(client, f"so{9 * '&nbsp;'}so{9 * chr(0x200D)}") == 202
    assert await post(client, "**Long enough** for it") == 201


async def test_a_script_rule_reads_what_readers_see(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await add_rule(service, client, "script", "en")

    assert await post(client, "".join(f"&#{ord(letter)};" for letter in "приветдорогие")) == 202


async def test_the_same_text_counts_in_every_markup(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await add_rule(service, client, "same_text", "1")
    assert await post(client, "The best offer of the whole year", thread="https://localhost/a/") == 201

    for number, comment in enumerate(
        [
            "The **best** offer of the whole year",
            "THE BEST OFFER of the  whole year",
            "The b&#101;st offer of the whole year",
            "The best \u043effer \u043ef the whol\u0435 year",  # Cyrillic letters
            "\U0001d5e7\U0001d5f5\U0001d5f2 be\u200bst offer of the whole year",  # bold letters, and one between
        ]
    ):
        assert await post(client, comment, thread=f"https://localhost/b{number}/") == 202, comment


async def test_a_duplicate_is_refused_in_every_markup(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    assert await post(client, "Hello caf\u00e9") == 201

    for comment in ("**Hello** caf\u00e9", "hello cafe\u0301", "H&#101;llo\ncaf\u00e9", "Hel\u200blo caf\u00e9"):
        assert await post(client, comment) == 409, comment
    assert await post(client, "Hello tea") == 201


async def test_an_edited_comment_is_judged_as_readers_see_it(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await add_rule(service, client, "words", "casino")
    receipt = await (await client.post("/v1/comments", json=fields_of(comment="Hello"))).json()

    response = await client.patch(
        f"/v1/comments/{receipt['id']}",
        json={"comment": "c**a**s&#105;no"},
        headers={"Authorization": f"Bearer {receipt['edit_token']}"},
    )

    assert (response.status, (await response.json())["status"]) == (200, "pending")
