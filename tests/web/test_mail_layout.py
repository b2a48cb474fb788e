"""Every mail is readable as plain text and as HTML, in every language, without loading anything."""

import html
import re

import pytest
from axe_playwright_python.async_playwright import Axe
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from commentsvc.config.mail_server import parse_mail_from
from commentsvc.config.settings import Config
from commentsvc.delivery.message import build_message
from commentsvc.domain.columns import text_width
from commentsvc.domain.markdown import render
from commentsvc.domain.timestamps import parse_time
from commentsvc.web.mail import compose as composing
from commentsvc.web.mail.compose import SIGNATURE, TEXT_COLUMNS, wrap_mail
from commentsvc.web.mail.renderers import RENDERERS
from commentsvc.web.mail.samples import SAMPLES
from commentsvc.web.mail.words import MOST_WORDS, plain_line, plain_words
from commentsvc.web.pages.i18n import LANGUAGES, RIGHT_TO_LEFT, find_locale
from tests.browser import browse, chromium, in_shared_loop  # noqa: F401 -- fixtures

CONFIG = Config(public_url="https://comments.example/talk")
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture(params=sorted(SAMPLES))
def name(request):
    return request.param


def test_every_mail_has_an_example():
    assert SAMPLES.keys() == RENDERERS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reader_gets_both_texts_in_their_language(name, language):
    mail = SAMPLES[name](CONFIG, find_locale(language))
    assert mail.language == language
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    assert mail.html.startswith(f'<!doctype html>\n<html lang="{language}" dir="{direction}">')
    assert mail.html.count(f'lang="{language}" dir="{direction}"') == 2, "some programs drop the first one"
    for text in (mail.text, mail.html, mail.subject):
        assert "%(" not in text
    for line in mail.text.splitlines():
        assert text_width(line) <= TEXT_COLUMNS or re.search(r"https?://\S{30}", line), line
        assert line == line.rstrip() or line == SIGNATURE
    assert "\n\n\n" not in mail.text
    assert mail.text.count(f"\n{SIGNATURE}\n") == 1
    assert not re.search(r"&(?:amp|lt|gt|#\d+|quot);|</?[a-z]+[ >]", mail.text)
    assert build_message(mail, parse_mail_from("comments@example.com"), "1", parse_time("2026-11-22T16:02:11.000Z"))


def test_a_mail_program_loads_and_runs_nothing(name):
    mail = SAMPLES[name](CONFIG, find_locale("en"))
    tags = set(re.findall(r"<([a-z0-9]+)", mail.html))
    assert not tags & {"img", "script", "link", "iframe", "object", "form", "input", "base", "svg", "video", "audio"}
    assert not re.search(r"\bsrc=|url\(|@import|\bon[a-z]+=", mail.html)
    links = [html.unescape(link) for link in re.findall(r'href="([^"]*)"', mail.html)]
    assert all(link.startswith("https://") for link in links)
    own = {link for link in links if link.startswith(CONFIG.own_url)}
    assert own <= set(mail.text.split()), "each link to the service is in the plain text too"


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_mail_is_accessible_in_light_and_dark_and_on_a_small_phone(name, scheme, chromium):  # noqa: F811
    for language in ("en", "ar"):
        context = await chromium.new_context(color_scheme=scheme, viewport={"width": 320, "height": 600})
        page = await context.new_page()
        await page.set_content(SAMPLES[name](CONFIG, find_locale(language)).html)
        await page.evaluate(Axe().axe_script)
        violations = await page.evaluate("options => axe.run(options).then(results => results.violations)", WCAG)
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        for button in await page.locator("a.main, a.good, a.plain, a.harm").all():
            assert (await button.bounding_box())["height"] >= 44
        await context.close()


def composed(tmp_path, monkeypatch, text, language="en", **values):
    """Return a plain text as ``compose`` would write it, from a template that only the test has."""
    monkeypatch.setattr(composing, "render_template", lambda *_args, **_values: "")
    environment = composing._text_templates()
    monkeypatch.setattr(environment, "get_template", lambda _name: environment.from_string(text))
    return composing.compose("a", find_locale(language), CONFIG, **values)[0]


def test_a_plain_text_is_translated_and_nothing_in_it_is_escaped(tmp_path, monkeypatch):
    text = '{{ _("In reply to %(name)s:", name=name) }}\n{{ ngettext("%(num)s reply", "%(num)s replies", 1234) }}\n'
    shown = composed(tmp_path, monkeypatch, text, "de", name="Tom & <Ann>")
    assert shown == "Antwort an Tom & <Ann>:\n1.234 Antworten\n"
    assert composed(tmp_path, monkeypatch, "{{ name }} {{ locale.format_time(time) }}", name=Markup("A &amp; B"),
                    time="2026-11-22T16:02:11.000Z") == "A & B 22 Nov 2026, 16:02 UTC\n"  # fmt: skip


def test_paragraphs_quotes_and_lists_are_wrapped_and_addresses_are_not(tmp_path, monkeypatch):
    words = "word " * 20 + "\n> answered"
    text = "{{ words | quote }}\n\n\n\n- {{ item }}\nhttps://comments.example/{{ 'x' * 90 }}\n-- \n{{ name | line }}"
    shown = composed(tmp_path, monkeypatch, text, words=words, item="item " * 20, name="Mia\n-- \nEve")
    assert shown.splitlines() == [
        "> " + " ".join(["word"] * 14), "> " + " ".join(["word"] * 6), "> > answered", "",
        "- " + " ".join(["item"] * 14), "  " + " ".join(["item"] * 6),
        "https://comments.example/" + "x" * 90, "-- ", "Mia -- Eve",
    ]  # fmt: skip


@settings(deadline=None)
@given(st.text())
def test_wrapping_keeps_every_word(text):
    shown = wrap_mail(text)
    assert shown.endswith("\n")
    assert shown.replace(">", "").split() == text.replace(">", "").split()
    assert "\n\n\n" not in shown


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("One\n\nTwo **bold** `code`", "One\nTwo bold code"),
        ("[click](https://shop.example/3x?a=b)", "click (shop[.]example/3x?a=b)"),
        ("<https://shop.example/3x>", "shop[.]example/3x"),
        ("see https://shop.example/3x.", "see shop[.]example/3x."),
        ("www.shop.example and ftp://files.example", "www[.]shop[.]example and files[.]example"),
        ("https://a.example/?u=https://b.example", "a[.]example/?u=https:/b.example"),
        ("cheap: shop.example/3x?u=http://b.example", "cheap: shop[.]example/3x?u=http:/b.example"),
        ("3.5 or Node.js, a/b.py, 1.2/3 or mia@a.example/b", "3.5 or Node.js, a/b.py, 1.2/3 or mia@a.example/b"),
        ("a &lt;b&gt; & c", "a <b> & c"),
        ("\u202eabc\u2066", "abc"),
        ("> quote\n\n- one\n- two", "quote\none\ntwo"),
    ],
)
def test_a_comment_in_a_mail_is_plain_text_without_links(source, words):
    assert plain_words(render(source)) == words


@settings(deadline=None)
@given(st.text())
def test_no_mail_program_finds_a_link_or_a_hidden_character_in_a_comment(source):
    for words in (plain_words(render(source)), plain_line(source)):
        assert "://" not in words
        assert not re.search(r"\bwww\.", words, re.IGNORECASE)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", words)
        assert len(words) <= MOST_WORDS


def test_a_long_comment_is_shortened_at_a_word():
    assert plain_words(render("word " * 1000)).endswith("word word…")
    assert len(plain_words(render("x" * 5000))) == MOST_WORDS
    assert plain_line("Title " * 50) == "Title " * 15 + "Title…"
