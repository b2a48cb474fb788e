"""People paste and type addresses in their own ways, and learn about all errors at once."""

import pytest

from commentsvc.config.environment import read_config
from commentsvc.domain import urls
from commentsvc.domain.errors import ConfigurationError, Invalid, InvalidValue, RejectedByRule
from commentsvc.domain.fields import Limits, clean_website, parse_email
from commentsvc.domain.models import Effect, Mode, RuleKind
from commentsvc.domain.tracking import parse_dropped_parameters
from commentsvc.rules import domains
from commentsvc.rules.manage import add_rule
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, draft, fields_of, post

BLOG = "https://blog.example"


@pytest.mark.parametrize(
    "typed",
    [
        "mia@example.com",
        " mia@example.com\u200b",
        "\ufeffmia@example.com",
        "mia\u00ad@exam\u200bple.com\u2060",
        "mia@example.com\u200d",
        "mia\u200c@example.com",
        "mia@example.com\ufe0f",
        "\u202amia@example.com\u202c",
        "mia＠example．com",
        "ｍｉａ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "mia@example。com",
        "\u3000mia@example.com\u00a0",
    ],
)
def test_a_pasted_email_address_is_understood(typed):
    assert parse_email(typed, Limits()).reveal() == "mia@example.com"


ENCODED = ["=?utf-8?q?a=0D=0ABcc=3A_eve=40evil.example?=@example.com", "＝？utf-8?b?eA0KQmNjOiB4?=@example.com"]


@pytest.mark.parametrize(
    "typed", ["mia example.com", "mia@@example.com", "mia＠", "\u200b", "a" * 250 + "@x.de", *ENCODED]
)
def test_an_email_address_that_is_none_is_refused(typed):
    with pytest.raises(InvalidValue):
        parse_email(typed, Limits())


@pytest.mark.parametrize(
    ("typed", "website"),
    [
        ("https://mia.example/\u200b", "https://mia.example/"),
        ("\ufeffhttps://mia.example/a", "https://mia.example/a"),
        ("mia.exam\u00adple", "https://mia.example"),
        ("https://mia.example\u200d", "https://mia.example"),
        ("ｈｔｔｐｓ：／／mia．example/ａ", "https://mia.example/ａ"),
        ("mia。example", "https://mia.example"),
        ("http://", None),
        ("https://", None),
        (" HTTPS:// ", None),
        ("http:", None),
        ("ｈｔｔｐｓ：／／", None),
        ("ｈｔｔｐｓ：／／ｍｉａ．ｅｘａｍｐｌｅ／？ａ", "https://mia.example/？ａ"),
        ("mia.example／あ", "https://mia.example/あ"),
        ("\u200b", None),
        ("", None),
        ("https://mia.example/" + "\u200b" * 500, "https://mia.example/"),
    ],
)
def test_a_pasted_website_is_understood(typed, website):
    assert clean_website(typed, Limits()) == website


@pytest.mark.parametrize("typed", ["javascript:alert(1)", "https://mia.example/a b", "ftp://mia.example", "http:///a"])
def test_a_website_that_is_none_is_refused(typed):
    with pytest.raises(InvalidValue):
        clean_website(typed, Limits())


async def test_a_commenter_with_an_invisible_character_in_the_address_is_accepted(client):
    body = fields_of(email="mia@example.com\u200b", website="https://", thread="\u200b/a-page/\u200b")
    assert (await client.post("/v1/comments", json=body)).status == 202
    form = fields_of(email="mia＠example．com", website="http://", comment="Another one.")
    assert (await client.post("/v1/comments", data=form)).status == 202


@pytest.mark.parametrize(
    "query",
    [
        "from=singlemessage&isappinstalled=0",
        "from=timeline",
        "cb=1",
        "_=1700000000",
        "t=1795983721585",
        "_x_tr_sl=en&_x_tr_tl=de&_x_tr_hl=de&_x_tr_pto=wapp",
        "replytocom=42",
        "unapproved=42&moderation-hash=0a1b",
        "share=twitter&nb=1",
        "ref=a-newsletter",
        "REF_SRC=twsrc%5Etfw",
        "source=rss",
        "amp=1",
        "amp;utm_source=x&amp;fbclid=y",
        "%66bclid=1",
        "fbclid",
        "m=1",
        "preview=true&preview_id=3&preview_nonce=0a",
        "_branch_match_id=1&li_fat_id=2&trk=3",
        "__cft__[0]=AZ",
        "feature=share",
        "__hsfp=1&__hssc=2&__hstc=3&hsCtaTracking=4",
        "sharer_shareid=1&sharer_sharetime=2&mpshare=1&srcid=3&clicktime=4&enterid=5",
        "spm_id_from=1&vd_source=2&unique_k=3&xhsshare=4&appuid=5&apptime=6",
        "__xts__%5B0%5D=AZ&hc_ref=x&fref=nf",
        "__cf_chl_tk=1&__cf_chl_rt_tk=2",
        "elqaid=1&elqat=2&vgo_ee=3&bbeml=4&et_rid=5&WT.mc_id=6&Echobox=7",
        "share_plat=ios&share_session_id=1",
        "isFreemail=true&triedRedirect=true&source=substack",
    ],
)
def test_readers_who_came_in_another_way_find_the_same_thread(query):
    for page in ("/a-post", "/?p=17"):
        plain = urls.parse_thread(f"{BLOG}{page}")
        assert urls.parse_thread(f"{BLOG}{page}{'&' if '?' in page else '?'}{query}").name == plain.name
        assert urls.parse_thread(f"{page}{'&' if '?' in page else '?'}{query}").name == plain.name


@pytest.mark.parametrize(
    "query",
    ["p=17?utm_source=x", "p=17;utm_source=x;fbclid=y", "m=1;utm_x=y&p=17", "utm_source=x&amp;p=17", "p=17?ref=a?m=1"],
)
def test_parameters_that_were_appended_in_a_wrong_way_do_not_count(query):
    assert urls.parse_thread(f"{BLOG}/?{query}").name == "/?p=17"
    assert urls.parse_thread(f"{BLOG}/?{query}").url == f"{BLOG}/?p=17"


def test_other_signs_in_parameters_count():
    assert urls.parse_thread(f"{BLOG}/?q=what?share").name == "/?q=what?share"
    assert urls.parse_thread(f"{BLOG}/?q=a;b=c").name == "/?q=a;b=c"


@pytest.mark.parametrize("invisible", ["\ufe0f", "\u200d", "\u200c", "\u2060", "\ufeff"])
def test_invisible_characters_in_a_page_address_do_not_count(invisible):
    assert urls.parse_thread(f"{invisible}https://blog{invisible}.example/a{invisible}b{invisible}") == (
        urls.parse_thread("https://blog.example/ab")
    )
    persian = "https://blog.example/می\u200cخواهم"
    assert urls.parse_thread(persian).name == "/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85"


@pytest.mark.parametrize(
    ("translated", "host"),
    [
        ("blog-example.translate.goog", "blog.example"),
        ("my--blog-example.translate.goog", "my-blog.example"),
        ("0-xn----bcher--kva-example-0.translate.goog", "xn--bcher-kva.example"),
        ("BLOG-example.translate.goog.", "blog.example"),
        ("translate.goog", "translate.goog"),
        ("a.b.translate.goog", "a.b.translate.goog"),
    ],
)
def test_readers_of_a_translated_page_find_its_thread(translated, host):
    page = f"https://{translated}/a-post?_x_tr_sl=en&_x_tr_tl=de"
    assert urls.parse_thread(page) == urls.parse_thread(f"https://{host}/a-post")
    assert urls.parse_origin(f"https://{translated}") == f"https://{host}"


@pytest.mark.parametrize(
    "query", ["from=2026", "p=17", "page=2", "source=book", "nb=2", "lang=en", "v=1", "t=17959", "id=cb"]
)
def test_a_parameter_that_may_select_a_page_counts(query):
    assert urls.parse_thread(f"{BLOG}/?{query}").name == f"/?{query}"


def test_an_operator_adds_dropped_parameters():
    dropped = read_config({"COMMENTSVC_DROPPED_PARAMETERS": "Campaign  promo_* caf%C3%A9"}).dropped
    for query in ("campaign=1", "CAMPAIGN=1", "promo_spring=1", "promo_", "café=1", "caf%c3%a9=1", "fbclid=x"):
        assert urls.parse_thread(f"/a?{query}", dropped).name == "/a"
    assert urls.parse_thread("/a?promo=1", dropped).name == "/a?promo=1"
    assert urls.parse_thread("/a?campaign=1").name == "/a?campaign=1"


@pytest.mark.parametrize("text", ["*", "a=b", "a&b", "?a", "a*b", "a,b * c"])
def test_a_wrong_parameter_to_drop_stops_the_start(text):
    with pytest.raises(ConfigurationError, match="COMMENTSVC_DROPPED_PARAMETERS must be names of query parameters"):
        read_config({"COMMENTSVC_DROPPED_PARAMETERS": text})
    with pytest.raises(ValueError, match=r".+"):
        parse_dropped_parameters(text)


async def test_a_parameter_that_the_operator_dropped_does_not_split_a_thread(served, aiohttp_client):
    service = await served(moderation=Mode.NONE, sites=BLOG, dropped_parameters="campaign promo_*")
    client = await aiohttp_client(application(service))
    await post(service, "One.", thread=f"{BLOG}/a-post/?campaign=1&p=17")

    listing = await client.get("/v1/comments", params={"thread": f"{BLOG}/a-post?p=17&promo_x=2"})
    found = await listing.json()
    assert [one["html"] for one in found["comments"]] == ["<p>One.</p>"]
    assert found["thread"]["url"] == f"{BLOG}/a-post/?p=17"
    counts = await client.get("/v1/counts", params={"thread": "/a-post?p=17&campaign=9"})
    assert list((await counts.json())["counts"].values()) == [1]


def test_only_the_length_of_what_counts_is_limited():
    long = "&".join(f"utm_term={'x' * 90}" for _ in range(100))
    assert urls.parse_thread(f"{BLOG}/a?{long}#{'y' * 3000}").name == "/a"
    assert urls.parse_thread(f"/a?{long}").name == "/a"
    for text in ("/" + "a" * 2000, f"{BLOG}/?p={'1' * 2000}", "k" * 2001, f"/{'utm/' * 5000}"):
        with pytest.raises(Invalid):
            urls.parse_thread(text)


async def test_a_reader_with_a_long_address_is_answered(client):
    tracked = "/a-page/?" + "&".join(f"utm_term={'x' * 90}" for _ in range(40))
    assert (await client.post("/v1/comments", json=fields_of(thread=tracked))).status == 202
    assert (await client.get("/v1/comments", params={"thread": tracked})).status == 200
    refused = await client.post("/v1/comments", json=fields_of(thread="/" + "a" * 2001))
    assert [fault["field"] for fault in (await refused.json())["errors"]] == ["thread"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://blog.example/2026/a-post/", "https://blog.example/2026/a-post/"),
        ("http://mia:secret@BLOG.example.:80/a/index.html?utm_source=x&b=2&a=1#c", "http://blog.example/a/index.html?b=2&a=1"),
        ("https://blog.example", "https://blog.example/"),
        ("//blog.example/caf\u00e9/", "https://blog.example/caf%C3%A9/"),
        ("/a-post/", None),
    ],
)  # fmt: skip
def test_the_address_of_a_page_is_kept_as_it_was_given(given, kept):
    assert urls.parse_thread(given).url == kept


async def test_the_address_of_the_first_public_comment_stays(served, aiohttp_client):
    service = await served(moderation=Mode.NONE, sites=BLOG)
    client = await aiohttp_client(application(service))
    await post(service, "One.", thread=f"{BLOG}/a-post/?fbclid=x")
    await post(service, "Two.", thread=f"{BLOG}/a-post")

    thread = (await (await client.get("/v1/comments", params={"thread": "/a-post"})).json())["thread"]
    assert (thread["key"], thread["url"]) == ("/a-post", f"{BLOG}/a-post/")


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("spam.example.", "spam.example"),
        ("SPAM.example.", "spam.example"),
        ("spam.example\u3002", "spam.example"),
        ("bücher.example.", "xn--bcher-kva.example"),
        ("127.0.0.1.", "127.0.0.1"),
        ("localhost.", "localhost"),
    ],
)
def test_the_dot_at_the_end_of_a_host_counts_for_nothing(written, host):
    assert urls.normalise_host(written) == host
    assert domains.normalise_domain(written) == host
    assert urls.parse_origin(f"https://{written}") == f"https://{host}"
    assert urls.parse_thread(f"https://{written}/a").host == host


async def test_a_banned_website_is_found_with_a_dot_at_its_end(service):
    await add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WEBSITE, match="spam.example.", effect=Effect.REFUSE))
    for website in (
        "https://spam.example./",
        "https://www.spam.example.",
        "https://Spam.Example:443/",
        "spam.example。",
    ):
        with pytest.raises(RejectedByRule):
            await post(service, f"See {website}", website=website)


async def test_a_page_whose_host_ends_with_a_dot_belongs_to_its_site(served, aiohttp_client):
    service = await served(moderation=Mode.NONE, sites="https://blog.example. https://other.example")
    client = await aiohttp_client(application(service))
    origin = {"Origin": "https://blog.example."}
    sent = await client.post("/v1/comments", json=fields_of(thread="https://blog.example./a"), headers=origin)
    read = await client.get("/v1/comments", params={"thread": "/a"}, headers=origin)

    assert (sent.status, read.status) == (201, 200)
    assert read.headers["Access-Control-Allow-Origin"] == "https://blog.example."
    assert (await read.json())["thread"]["url"] == "https://blog.example/a"
    foreign = await client.get("/v1/comments", params={"thread": "/a"}, headers={"Origin": "https://evil.example."})
    # Its pages can read why they are refused, and nothing else.
    assert (foreign.status, foreign.headers["Access-Control-Allow-Origin"]) == (403, "*")


NOWHERE = "01900000-0000-7000-8000-000000000000"


def _codes(problem):
    return [(fault["field"], fault["code"]) for fault in problem["errors"]]


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        (
            {"name": "", "email": "nobody", "thread": "https://foreign.example/", "parent": NOWHERE, "site": "none"},
            [("name", "required"), ("email", "invalid_email"), ("thread", "foreign_thread"), ("site", "unknown_site"),
             ("parent", "unknown_parent")],
        ),
        ({"thread": "http://", "parent": NOWHERE}, [("thread", "invalid_thread"), ("parent", "unknown_parent")]),
        ({"thread": None, "site": "none", "parent": "x"},
         [("thread", "required"), ("site", "unknown_site"), ("parent", "unknown_parent")]),
        ({"site": "none", "parent": NOWHERE}, [("site", "unknown_site"), ("parent", "unknown_parent")]),
        ({"comment": " ", "parent": NOWHERE}, [("comment", "required"), ("parent", "unknown_parent")]),
        ({"name": "", "site": "none"}, [("name", "required"), ("site", "unknown_site")]),
        ({"parent": NOWHERE}, [("parent", "unknown_parent")]),
        ({"name": ""}, [("name", "required")]),
    ],
)  # fmt: skip
async def test_a_commenter_learns_all_errors_at_once(client, changed, faults):
    by_json = await client.post("/v1/comments", json=fields_of(**changed))
    by_form = await client.post("/v1/comments", data=fields_of(**changed))

    for response in (by_json, by_form):
        assert (response.status, _codes(await response.json())) == (422, faults)


async def test_an_unknown_field_is_reported_last(client):
    response = await client.post("/v1/comments", json=fields_of(email="nobody", parent=NOWHERE, extra="x"))
    assert _codes(await response.json()) == [
        ("email", "invalid_email"),
        ("parent", "unknown_parent"),
        ("extra", "unknown_field"),
    ]


async def test_a_parent_is_judged_in_its_thread(served, aiohttp_client):
    client = await aiohttp_client(application(service := await served(moderation=Mode.NONE)))
    parent = await post(service, "One.", thread="/a-page/")
    answers = []
    for thread in ("/a-page/", "/another/", "https://foreign.example/"):
        response = await client.post("/v1/comments", json=fields_of(name="", thread=thread, parent=parent))
        answers.append(_codes(await response.json()))

    assert answers == [
        [("name", "required")],
        [("name", "required"), ("parent", "unknown_parent")],
        [("name", "required"), ("thread", "foreign_thread")],
    ]


async def test_an_undeliverable_address_is_reported_with_the_other_errors(served, aiohttp_client, name_server):
    client = await aiohttp_client(application(await served(deliverability="on")))
    body = fields_of(email="x@no-such-domain.example", thread="https://foreign.example/", parent=NOWHERE)
    response = await client.post("/v1/comments", json=body)

    assert _codes(await response.json()) == [
        ("email", "undeliverable"),
        ("thread", "foreign_thread"),
        ("parent", "unknown_parent"),
    ]
    assert name_server.asked


async def test_a_reader_without_a_script_sees_all_errors_on_the_page(client):
    browser = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    page = await client.post("/v1/comments", data=fields_of(name="", email="x", parent=NOWHERE), headers=browser)
    text = await page.text()

    assert page.status == 422
    for sentence in ("Please enter your name.", "Enter a valid email address", "replying to is not available"):
        assert sentence in text


@pytest.mark.parametrize("line_break", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\r\n", "\n", "\t"])
def test_a_line_break_in_a_pasted_name_is_a_space(line_break):
    assert draft(name=f"{line_break}Mia{line_break}Ray{line_break}").name == "Mia Ray"
