"""Readers find the interface in their own language."""

import ast
import gettext
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel import Locale
from babel.messages import mofile, pofile

import commentsvc
from commentsvc.domain.errors import Duplicate, Gone, Invalid, RateLimited, Refusal, ThreadClosed, Unavailable
from commentsvc.web.pages import i18n
from commentsvc.web.pages.i18n import LANGUAGES, find_locale
from commentsvc.web.pages.messages import explain_refusal
from tests.conftest import draft

PACKAGE = Path(commentsvc.__file__).parent
TRANSLATED = LANGUAGES[1:]
KEYWORDS = ("--keyword=translatable", "--keyword=translatable_plural:1,2")
NUMBERS = (0, 1, 2, 3, 5, 11, 21, 22, 25, 100, 101, 111, 1234)


def file_of(lang, kind):
    return PACKAGE / "web" / "locales" / lang / "LC_MESSAGES" / f"commentsvc.{kind}"


def catalogue(lang):
    with file_of(lang, "po").open("rb") as file:
        return pofile.read_po(file, locale=lang)


def messages(found):
    return {message.id: message for message in found if message.id}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Every message that stands in the templates and in the code, found as ``make words`` finds them."""
    file = tmp_path_factory.mktemp("words") / "words.pot"
    command = ["--quiet", "extract", "--mapping-file=pyproject.toml", *KEYWORDS, f"--output-file={file}"]
    subprocess.run(
        [sys.executable, "-m", "babel.messages.frontend", *command, "commentsvc"], cwd=PACKAGE.parent, check=True
    )
    with file.open("rb") as opened:
        return messages(pofile.read_po(opened))


@pytest.mark.parametrize(
    ("lang", "accept_language", "found"),
    [
        (None, None, "en"),
        (None, "", "en"),
        (None, "de", "de"),
        (None, "de-AT-1996, en;q=0.5", "de"),
        (None, "en;q=0.5, uk;q=0.9, pl;q=0.8", "uk"),
        (None, "sv, da;q=0.9, nl;q=0.1", "nl"),
        (None, "ZH-Hant-TW", "zh"),
        (None, "pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7", "pt"),
        (None, "sv, *;q=0.5", "en"),
        (None, "de;q=0, fr;q=0.001", "fr"),
        (None, "de;q=2, fr;q=x, ;;, ja;q=1.000", "ja"),
        ("he", "de", "he"),
        ("fa_IR", None, "fa"),
        ("ar-x-private", "de", "ar"),
        ("tlh", "ko;q=0.3", "ko"),
        ("../../de", "en", "en"),
        ("de\x00", None, "en"),
    ],
)
def test_a_reader_gets_the_language_asked_for_or_else_the_one_they_like_best(lang, accept_language, found):
    assert find_locale(lang, accept_language).lang == found


def test_a_language_is_written_its_own_way():
    backwards = {lang for lang in LANGUAGES if find_locale(lang).dir == "rtl"}
    assert backwards == {"ar", "fa", "he"}
    assert backwards == {lang for lang in LANGUAGES if Locale(lang).text_direction == "rtl"}


def test_a_value_is_escaped_and_a_message_is_not():
    english = find_locale("en")
    assert english.gettext("to <bdi>%(name)s</bdi>, 100%%", name="<b>") == "to <bdi>&lt;b&gt;</bdi>, 100%"
    assert english.ngettext("%(num)s <b>", "%(num)s <i>", 1) == "1 <b>"
    assert english.ngettext("%(num)s <b>", "%(num)s <i>", 7) == "7 <i>"


def test_a_time_is_told_in_every_language():
    told = {lang: find_locale(lang).format_time("2026-11-22T16:02:11.000Z") for lang in LANGUAGES}
    assert told["en"] == "22 Nov 2026, 16:02 UTC"
    assert told["de"] == "22. Nov. 2026, 16:02 UTC"
    assert told["ja"] == "2026年11月22日 16:02 UTC"
    assert all("22" in text and "2026" in text and "16:02 UTC" in text for text in told.values())
    for lang in TRANSLATED:
        assert len({find_locale(lang).gettext(month) for month in i18n.MONTHS}) == 12


MISTAKES = (
    {"name": "", "email": "", "comment": ""},
    {"name": "\u2060", "email": "nope", "comment": "\u2800", "website": "javascript:alert(1)"},
    {"name": "x" * 81, "email": "x" * 300, "comment": "x" * 10_001, "website": "https://x.example/" + "x" * 500},
    {"name": "x\x00", "email": "x\x00", "comment": "x\x00", "website": "x\x00"},
    {"name": "x\x08"},
)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_whatever_a_writer_does_wrong_is_explained_in_their_language(lang):
    english, theirs = find_locale("en"), find_locale(lang)
    for wrong in MISTAKES:
        with pytest.raises(Invalid) as refused:
            draft(**wrong)
        told = explain_refusal(theirs, refused.value)
        assert set(told.fields) == set(wrong)
        plain = explain_refusal(english, refused.value)
        assert told.title != plain.title
        for name, text in told.fields.items():
            assert text != plain.fields[name]
    for refusal in (RateLimited(21), Duplicate(), ThreadClosed(), Gone(), Unavailable()):
        told = explain_refusal(theirs, refusal)
        assert told.title != refusal.title
        assert told.detail != refusal.detail
    assert "21" in explain_refusal(theirs, RateLimited(21)).detail


def test_a_reader_sees_numbers_as_their_language_writes_them():
    with pytest.raises(Invalid) as refused:
        draft(comment="x" * 10_001)
    told = {lang: explain_refusal(find_locale(lang), refused.value).fields["comment"] for lang in LANGUAGES}
    assert told["en"] == "Too long: 10,001 of 10,000 characters."
    assert told["de"] == "Zu lang: 10.001 von 10.000 Zeichen."
    assert all("001" in text and "000" in text for text in told.values())
    assert told["fr"] == "Trop long : 10\u202f001 sur 10\u202f000 caractères."


def marked_texts():
    """Every text that the code marks for translation: the arguments of ``translatable`` and ``translatable_plural``."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                count = {"translatable": 1, "translatable_plural": 2}.get(node.func.id, 0)
                for argument in node.args[:count]:
                    yield path, node.func.id, argument


def test_a_message_is_marked_as_a_whole_literal():
    """A text built at run time would never be found in a catalogue."""
    odd = [(path, ast.unparse(one)) for path, _, one in marked_texts() if not isinstance(one, ast.Constant)]
    assert odd == []


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_text_marked_in_the_code_is_in_every_catalogue(lang):
    ids = set()
    for id_ in messages(catalogue(lang)):
        ids |= {id_} if isinstance(id_, str) else set(id_)
    texts = {argument.value for _, _, argument in marked_texts()}
    assert len(texts) > 40
    assert texts <= ids, "run: make words"


def test_every_refusal_has_a_title_that_is_translated():
    for refusal in Refusal.__subclasses__():
        for lang in TRANSLATED:
            assert find_locale(lang).translate(refusal.title) != refusal.title, (lang, refusal)


def test_a_message_that_is_not_translated_stays_as_it_is():
    assert find_locale("de").translate("100% <b>%(x)s") == "100% <b>%(x)s"
    assert find_locale("de").translate("") == ""


def test_the_document_names_the_languages():
    text = (PACKAGE.parent / "docs" / "embedding.md").read_text(encoding="utf-8")
    told = re.search(r"The interface is available in (.*?)\.", text, re.DOTALL)[1]
    assert sorted(re.findall(r"[A-Z]\w+", told)) == sorted(Locale(lang).english_name for lang in LANGUAGES)


def test_make_knows_the_languages():
    makefile = (PACKAGE.parent / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^LANGUAGES = (.*)$", makefile, re.MULTILINE)[1].split() == list(TRANSLATED)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_message_is_there_in_every_language_and_none_too_many(lang, said):
    translated = messages(catalogue(lang))
    assert set(translated) == set(said), "run: make words"
    for id_, message in translated.items():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(form.strip() for form in forms), id_
        assert not message.fuzzy, id_


@pytest.mark.parametrize("lang", TRANSLATED)
def test_what_is_read_is_what_the_translator_wrote(lang):
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue(lang))
    assert file_of(lang, "mo").read_bytes() == compiled.getvalue(), "run: make words"


NUMBER = r"%\(num\)[sd]"


def marks(text):
    """What a translation must keep: places for values, and HTML."""
    return sorted(re.findall(r"%\(\w+\)[sd]|%%|</?\w+[^>]*>|&\w+;", text))


@pytest.mark.parametrize("lang", TRANSLATED)
def test_a_translation_keeps_the_places_for_values_and_the_html(lang):
    for id_, message in messages(catalogue(lang)).items():
        if isinstance(id_, str):
            assert marks(message.string) == marks(id_), id_
            continue
        for form in message.string:  # "one comment" and "no comments" need no number
            assert marks(re.sub(NUMBER, "", form)) == marks(re.sub(NUMBER, "", id_[1])), id_
            assert len(re.findall(NUMBER, form)) <= 1, id_


@pytest.mark.parametrize("lang", TRANSLATED)
def test_a_number_takes_the_form_that_its_language_has_for_it(lang):
    """As the Unicode CLDR has it: two numbers share a form in one if they do in the other."""
    with file_of(lang, "mo").open("rb") as file:
        read = gettext.GNUTranslations(file)
    rule = gettext.c2py(str(catalogue(lang).plural_expr))
    categories = Locale(lang).plural_form
    forms = {number: (categories(number), rule(number)) for number in NUMBERS}
    assert (
        len(set(forms.values())) == len({one for one, _ in forms.values()}) == len({two for _, two in forms.values()})
    )
    for (one, many), message in (
        (id_, said) for id_, said in messages(catalogue(lang)).items() if isinstance(id_, tuple)
    ):
        for number in NUMBERS:
            assert read.ngettext(one, many, number) == message.string[rule(number)]
