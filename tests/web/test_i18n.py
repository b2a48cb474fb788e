"""Readers find the interface in their own language."""

import ast
import gettext
import io
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from babel import Locale
from babel.messages import mofile, pofile

import commentsvc
from commentsvc.domain.errors import Duplicate, Gone, Invalid, RateLimited, Refusal, ThreadClosed, Unavailable
from commentsvc.sites.requirements import EMAIL_REQUIRED
from commentsvc.web.moderation.account import PreferencesForm
from commentsvc.web.pages import i18n
from commentsvc.web.pages.i18n import LANGUAGE_NAMES, LANGUAGES, find_locale
from commentsvc.web.pages.messages import explain_refusal
from tests.conftest import draft

PACKAGE = Path(commentsvc.__file__).parent
TRANSLATED = LANGUAGES[1:]
KEYWORDS = tuple(
    f"--keyword={one}" for one in ("translatable", "translatable_plural:1,2", "translatable_format", "Plural:1,2")
)
# The number of texts among the arguments of each function that marks them.
MARKS = {"translatable": 1, "translatable_format": 1, "translatable_plural": 2, "Plural": 2}
NUMBERS = (0, 1, 2, 3, 5, 11, 21, 22, 25, 100, 101, 111, 1234)


def file_of(lang, kind):
    return PACKAGE / "web" / "locales" / lang / "LC_MESSAGES" / f"commentsvc.{kind}"


def catalogue(lang):
    with file_of(lang, "po").open("rb") as file:
        return pofile.read_po(file, locale=lang)


def messages(found):
    return {message.id: message for message in found if message.id}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """Return every message of the templates and the code, extracted as by ``make words``."""
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
def test_a_reader_gets_the_requested_language_or_else_their_preferred_one(lang, accept_language, found):
    assert find_locale(lang, accept_language).lang == found


def test_every_language_can_be_chosen_under_its_own_name():
    assert tuple(LANGUAGE_NAMES) == LANGUAGES
    assert set(PreferencesForm.__annotations__["language"].__args__) == {"", *LANGUAGES}
    assert {lang: Locale(lang).get_display_name(lang).lower() for lang in LANGUAGES} == {
        lang: name.lower() for lang, name in LANGUAGE_NAMES.items()
    }


def test_arabic_persian_and_hebrew_are_written_from_right_to_left():
    right_to_left = {lang for lang in LANGUAGES if find_locale(lang).dir == "rtl"}
    assert right_to_left == {"ar", "fa", "he"}
    assert right_to_left == {lang for lang in LANGUAGES if Locale(lang).text_direction == "rtl"}


def test_values_in_a_message_are_escaped_and_the_message_is_not():
    english = find_locale("en")
    assert english.gettext("to <bdi>%(name)s</bdi>, 100%%", name="<b>") == "to <bdi>&lt;b&gt;</bdi>, 100%"
    assert english.ngettext("%(num)s <b>", "%(num)s <i>", 1) == "1 <b>"
    assert english.ngettext("%(num)s <b>", "%(num)s <i>", 7) == "7 <i>"


def test_times_are_formatted_in_every_language():
    texts = {lang: find_locale(lang).format_time("2026-11-22T16:02:11.000Z") for lang in LANGUAGES}
    assert texts["en"] == "22 Nov 2026, 16:02 UTC"
    assert texts["de"] == "22. Nov. 2026, 16:02 UTC"
    assert texts["ja"] == "2026年11月22日 16:02 UTC"
    assert all("22" in text and "2026" in text and "16:02 UTC" in text for text in texts.values())
    for lang in TRANSLATED:
        assert len({find_locale(lang).gettext(month) for month in i18n.MONTHS}) == 12


MISTAKES = (
    {"name": "", "comment": ""},
    {"name": "\u2060", "email": "nope", "comment": "\u2800", "website": "javascript:alert(1)"},
    {"name": "x" * 81, "email": "x" * 300, "comment": "x" * 10_001, "website": "https://x.example/" + "x" * 500},
    {"name": "x\x00", "email": "x\x00", "comment": "x\x00", "website": "x\x00"},
    {"name": "x\x08"},
)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_a_commenter_reads_every_error_in_their_language(lang):
    english, translated_locale = find_locale("en"), find_locale(lang)
    for wrong in MISTAKES:
        with pytest.raises(Invalid) as refused:
            draft(**wrong)
        error = Invalid(*refused.value.faults, EMAIL_REQUIRED) if "email" not in wrong else refused.value
        explained = explain_refusal(translated_locale, error)
        assert set(explained.fields) == {*wrong, "email"}
        original = explain_refusal(english, error)
        assert explained.title != original.title
        for name, text in explained.fields.items():
            assert text != original.fields[name]
    for refusal in (RateLimited(21), Duplicate(), ThreadClosed(), Gone(), Unavailable()):
        explained = explain_refusal(translated_locale, refusal)
        assert explained.title != refusal.title
        assert explained.detail != refusal.detail
    assert "21" in explain_refusal(translated_locale, RateLimited(21)).detail


def test_a_reader_sees_numbers_as_their_language_writes_them():
    with pytest.raises(Invalid) as refused:
        draft(comment="x" * 10_001)
    texts = {lang: explain_refusal(find_locale(lang), refused.value).fields["comment"] for lang in LANGUAGES}
    assert texts["en"] == "Too long: 10,001 of 10,000 characters."
    assert texts["de"] == "Zu lang: 10.001 von 10.000 Zeichen."
    assert all("001" in text and "000" in text for text in texts.values())
    assert texts["fr"] == "Trop long : 10\u202f001 sur 10\u202f000 caractères."


@cache
def marked_texts():
    """Return every text of the code that is marked for translation."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found += [(path, node.func.id, argument) for argument in node.args[: MARKS.get(node.func.id, 0)]]
    return found


def test_a_message_is_marked_as_a_whole_literal():
    """A catalogue cannot contain a text that is built at run time."""
    computed = [(path, ast.unparse(one)) for path, _, one in marked_texts() if not isinstance(one, ast.Constant)]
    assert computed == []


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_catalogue_has_every_marked_text(lang):
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


def test_an_unknown_message_is_not_changed():
    assert find_locale("de").translate("100% <b>%(x)s") == "100% <b>%(x)s"
    assert find_locale("de").translate("") == ""


def test_the_documentation_lists_every_language():
    text = (PACKAGE.parent / "docs" / "embedding.md").read_text(encoding="utf-8")
    listed = re.search(r"The interface is available in (.*?)\.", text, re.DOTALL)[1]
    assert sorted(re.findall(r"[A-Z]\w+", listed)) == sorted(Locale(lang).english_name for lang in LANGUAGES)


def test_the_makefile_lists_every_language():
    makefile = (PACKAGE.parent / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^LANGUAGES = (.*)$", makefile, re.MULTILINE)[1].split() == list(TRANSLATED)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_catalogue_has_exactly_the_extracted_messages(lang, extracted):
    translated = messages(catalogue(lang))
    assert set(translated) == set(extracted), "run: make words"
    for id_, message in translated.items():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(form.strip() for form in forms), id_
        assert not message.fuzzy, id_


@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_compiled_catalogues_match_their_sources(lang):
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue(lang))
    assert file_of(lang, "mo").read_bytes() == compiled.getvalue(), "run: make words"


NUMBER = r"%\(num\)[sd]"


def placeholders(text):
    """Return the placeholders, tags and entities of a text, sorted."""
    return sorted(re.findall(r"%\(\w+\)[sd]|%%|</?\w+[^>]*>|&\w+;", text))


@pytest.mark.parametrize("lang", TRANSLATED)
def test_a_translation_keeps_placeholders(lang):
    for id_, message in messages(catalogue(lang)).items():
        if isinstance(id_, str):
            assert placeholders(message.string) == placeholders(id_), id_
            continue
        for form in message.string:  # "one comment" and "no comments" need no number
            assert placeholders(re.sub(NUMBER, "", form)) == placeholders(re.sub(NUMBER, "", id_[1])), id_
            assert len(re.findall(NUMBER, form)) <= 1, id_


@pytest.mark.parametrize("lang", TRANSLATED)
def test_plural_forms_follow_the_unicode_cldr(lang):
    """Two numbers share a form in the catalogue exactly if they share one in the CLDR."""
    with file_of(lang, "mo").open("rb") as file:
        read = gettext.GNUTranslations(file)
    rule = gettext.c2py(str(catalogue(lang).plural_expr))
    categories = Locale(lang).plural_form
    forms = {number: (categories(number), rule(number)) for number in NUMBERS}
    assert (
        len(set(forms.values())) == len({one for one, _ in forms.values()}) == len({two for _, two in forms.values()})
    )
    plurals = {id_: message for id_, message in messages(catalogue(lang)).items() if isinstance(id_, tuple)}
    for (one, many), message in plurals.items():
        for number in NUMBERS:
            assert read.ngettext(one, many, number) == message.string[rule(number)]
