"""Word lists match whole words, also in disguise, and nothing else."""

import sys
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from commentsvc.domain import confusables, confusables_data, folding
from commentsvc.domain.confusables import impression, skeleton
from commentsvc.rules import word_list
from commentsvc.rules.word_list import WordList
from tests.conftest import MORE_EXAMPLES

YES, NO = True, False

# fmt: off
TABLE = [
    # Whole words, next to any punctuation.
    ("porno",    "Porno!",                                   YES),
    ("porno",    "porno",                                    YES),
    ("porno",    "(porno)\n",                                YES),
    ("porno",    "free_porno_here",                          YES),
    ("porno",    "porno-film",                               YES),
    ("porno",    "Pornofilm",                                NO),
    ("porno",    "Kinderpornografie",                        NO),
    ("porno",    "pornos",                                   NO),
    ("cunt",     "Scunthorpe",                               NO),
    ("ass",      "Assassins in a glass classroom",           NO),
    ("sex",      "Essex, Sussex and Middlesex",              NO),
    ("cialis",   "a specialist",                             NO),
    ("rape",     "Er traf eine Traube; grape",               NO),
    ("arsch",    "Der Marschall marschiert",                 NO),
    ("dick",     "Verdickung",                               NO),
    ("365",      "Microsoft 365",                            YES),
    ("365",      "13650",                                    NO),

    # Letter case, in every alphabet.
    ("Casino",   "CASINO",                                   YES),
    ("straße",   "STRASSE",                                  YES),
    ("STRASSE",  "straße",                                   YES),
    ("ОБМЕН",    "обмен",                                    YES),
    ("λόγος",    "ΛΟΓΟΣ",                                    YES),  # the last sigma, and no accent on capitals
    ("λόγος",    "λόγοσ",                                    YES),
    ("istanbul", "İSTANBUL",                                 YES),
    ("kg",       "5 ㎏",                                     YES),
    ("㎏",       "kg",                                       YES),
    ("casino",   "ca㎏sino",                                 NO),
    ("ﷺ",       "صلى الله عليه وسلم",                       YES),
    ("İstanbul", "istanbul, Istanbul",                       YES),
    ("kız",      "KIZ",                                      YES),
    ("kız",      "kız",                                      YES),
    ("sik",      "sık sık",                                  NO),   # "often"
    ("sik",      "SİK",                                      YES),

    # Marks that make another letter, and marks that only decorate.
    ("schon",    "schön",                                    NO),
    ("schön",    "scho\u0308n",                              YES),
    ("mull",     "Müll",                                     NO),
    ("ano",      "año",                                      NO),
    ("ле",       "лё",                                       NO),
    ("viagra",   "v̶i̶a̶g̶r̶a̶",                                   YES),
    ("viagra",   "v\u0363\u0364i\u0365\u0366agra",           YES),
    ("viagra",   "vi\u20ddagra",                             YES),
    ("محمد",     "مُحَمَّد",                                    YES),
    ("محمد",     "مـــحـــمـــد",                              YES),
    ("שלום",     "שָׁלוֹם",                                    YES),
    ("दिन",       "दीन",                                       NO),   # "day", "poor": the vowel tells them apart

    # Styles and signs.
    ("viagra",   "ｖｉａｇｒａ",                              YES),
    ("viagra",   "𝓥𝓲𝓪𝓰𝓻𝓪",                                   YES),
    ("viagra",   "ⓥⓘⓐⓖⓡⓐ",                                   YES),
    ("viagra",   "🅥🅘🅐🅖🅡🅐",                                   YES),
    ("casino",   "🅲🅰🆂🅸🅽🅾",                                   YES),
    ("viagra",   "ᴠɪᴀɢʀᴀ",                                   YES),
    ("ｖｉａｇｒａ", "viagra",                                YES),
    ("office",   "oﬃce",                                     YES),
    ("v1agra",   "viagra",                                   NO),   # digits are not letters
    ("pom",      "porn",                                     NO),   # "rn" is not "m"

    # A disguised entry matches only its disguise.
    ("bｅ",       "to be",                                    NO),
    ("bｅ",       "to Bｅ",                                    YES),
    ("bｅ",       "be bｅtter",                                NO),
    ("。ｃoｍ",    "see spam。ｃoｍ",                             YES),
    ("。ｃoｍ",    "see spam.com",                             NO),
    ("™s",       "Ada's",                                    NO),
    ("o´",       "o",                                        NO),
    ("o¯",       "o",                                        NO),
    ("don",      "don´t",                                    NO),
    ("rг",       "rr",                                       NO),
    ("größe",    "GRÖSSE",                                   YES),

    # Invisible characters.
    ("viagra",   "vi\u200bag\u200dra",                       YES),
    ("viagra",   "\u202evi\u00adagra\u202c",                 YES),
    ("viagra",   "vi\ufe0fagra\ufeff",                       YES),
    ("viagra",   "vi\x07agra",                               YES),
    ("viagra",   "viagra™ now",                              YES),
    ("buy now",  "buy\u00a0now",                             YES),
    ("buy now",  "buy⠀now",                                  YES),  # a blank Braille cell

    # Letters of other alphabets.
    ("viagra",   "viаgrа",                                   YES),  # Cyrillic a
    ("viagra",   "ВУ VIАGRА",                                YES),
    ("bitcoin",  "ВITСОIN",                                  YES),  # B, C and O
    ("casino",   "cαѕιno",                                   YES),  # Greek and Cyrillic
    ("porno",    "ρorno, pօrno",                             YES),  # Greek, Armenian
    ("порно",    "пopнo",                                    YES),  # Latin o and p
    ("paypal",   "a раураӏ account",                         YES),  # no Latin letter in the word, but in the text
    ("pot",      "Закрой рот, пожалуйста.",                  NO),   # an honest Russian word
    ("pot",      "Please close your рот.",                   YES),
    ("рот",      "a pot of gold",                            NO),
    ("рот",      "Закрой РОТ!",                              YES),
    ("av",       "Αν θέλεις, έλα αύριο.",                    NO),   # "if"

    # Phrases.
    ("buy viagra", "Buy   viagra",                           YES),
    ("buy viagra", "Where to buy? Viagra, of course.",       YES),
    ("buy viagra", "buy\nviagra",                            YES),
    ("buy viagra", "buy.viagra",                             YES),
    ("buy viagra", "buy-viagra",                             YES),
    ("buy viagra", "buy ❤❤❤ viagra",                         YES),
    ("buy viagra", "buy some viagra",                        NO),
    ("buy viagra", "buy viagras",                            NO),
    ("buy viagra", "viagra, buy",                            NO),
    ("buy-viagra", "buy viagra",                             YES),
    ("Dr. No",     "dr no",                                  YES),
    ("http www",   "http://www.example.com",                 NO),

    # Apostrophes separate words, except in n't.
    ("viagra",     "Viagra's price, l’viagra",               YES),
    ("escorte",    "l'escorte",                              YES),
    ("don",        "I don't know, don’t you",                NO),
    ("don",        "Don's place",                            YES),
    ("don't call", "Don’t call us",                          YES),
    ("м'ята",      "М’ята",                                  YES),

    # Significant punctuation.
    ("c++",      "I write C++.",                             YES),
    ("c++",      "C++11",                                    YES),
    ("c++",      "vitamin c",                                NO),
    ("c#",       "c# or C#?",                                YES),
    (".net",     "ASP.NET",                                  YES),
    (".net",     "a net",                                    NO),
    ("#ad",      "#ad",                                      YES),
    ("#ad",      "an ad",                                    NO),
    ("@spammer", "ask @Spammer",                             YES),
    ("100%",     "100% free",                                YES),
    ("100%",     "100 people",                               NO),
    ("go.to",    "I go to school",                           NO),

    # Addresses, as written.
    ("viagra-online.biz", "see viagra-online.biz.",                   YES),
    ("viagra-online.biz", "https://www.Viagra-Online.biz/buy?now=1",  YES),
    ("viagra-online.biz", "https://viagra\u2011online。biz",           YES),
    ("viagra-online.biz", "viagra-online.bizarre.example",            NO),
    ("viagra",            "https://shop.example/buy-viagra-now",      YES),
    ("example.com",       "https://user@example.com:8080/",           YES),
    ("example.com",       "[here](https://example.com)",              YES),
    ("example.com",       "https://my-example.com/",                  NO),
    ("example.com",       "https://myexample.com/",                   NO),
    ("example.com",       "https://example.com.au/",                  NO),
    ("example.com",       "https://example.com-shop.net/",            NO),
    ("example.com",       "For example, com is a domain.",            NO),
    ("https://example.com/", "http://example.com",                    YES),
    ("example.com/buy",   "https://example.com/buy?x=1",              YES),
    ("example.com/buy",   "https://example.com/buy/all",              YES),
    ("example.com/buy",   "https://example.com/buyers",               NO),
    ("example.com/buy",   "https://example.com/buy-nothing",          NO),
    ("example.com/",      "https://example.com/.well-known",          YES),
    (".ru",               "https://spam.ru/",                         YES),
    (".ru",               "https://spam.run/",                        NO),
    ("рф.example",        "https://xn--p1ai.example",                 NO),   # another spelling; list both
    ("paypal.com",        "https://раураl.com",                       YES),

    # Scripts without spaces: characters next to each other match.
    ("色情",     "这是一个色情网站",                           YES),
    ("色情",     "颜色。情况",                                 NO),
    ("色情",     "色",                                        NO),
    ("AV女优",   "看av女优",                                  YES),
    ("ポルノ",   "無料ポルノ動画",                             YES),
    ("ポルノ",   "ﾎﾟﾙﾉ",                                      YES),
    ("카지노",   "온라인카지노를",                             YES),
    ("เว็บพนัน",  "สมัครเว็บพนันวันนี้",                          YES),
    ("微信",     "加 微 信",                                  NO),
    ("加 微",    "加·微",                                     YES),  # an entry with a space is a phrase

    # Emoji.
    ("🍆",       "hi 🍆🍆🍆",                                  YES),
    ("🍆",       "hi",                                        NO),
    ("👍",       "👍🏿",                                        YES),
    ("👨‍👩‍👧",   "a family: 👨‍👩‍👧",                            YES),
    ("🇷🇺",       "from 🇷🇺",                                   YES),
    ("🇷🇺",       "🇫🇷🇺🇸",                                      NO),   # France and the US
    ("❤ you",    "i ❤ you",                                   YES),
]


@pytest.mark.parametrize(("entry", "text", "hit"), TABLE)
def test_an_entry_matches_a_text_or_not(entry, text, hit):
    assert WordList([entry]).find_first(text) == (entry if hit else None)


def test_the_first_match_in_the_text_is_returned_as_listed():
    listed = WordList.from_text("Viagra\nCasino Royale\nCASINO\n")

    assert listed.find_first("The casino sells viagra.") == "CASINO"
    assert listed.find_first("viagra at the casino") == "Viagra"
    assert listed.find_first("No such word.") is None
    assert listed.find_first("") is None


def test_every_line_of_a_list_that_matches_is_found():
    listed = WordList(["the", "The End", "casino"])
    assert list(listed.find_all("The end of the CASINO")) == ["the", "The End", "the", "casino"]


def test_blank_lines_and_comments_are_ignored():
    listed = WordList.from_text("# our list\n\n   \ncasino\n#\n## more\n#ad\r\n")

    assert listed.find_first("our list has more") is None
    assert listed.find_first("a casino") == "casino"
    assert listed.find_first("#AD") == "#ad"


def test_entries_that_look_alike_are_distinguished():
    listed = WordList(["рот", "pot", "c", "c++", "C#"])

    assert listed.find_first("Закрой рот") == "рот"
    assert listed.find_first("a pot") == "pot"
    assert listed.find_first("vitamin C") == "c"
    assert listed.find_first("C++ and C#") == "c"


@pytest.mark.parametrize("text", ["!!!", "casino\n---\n", "«»", "\u200b", "´", "a" * 101])
def test_an_entry_that_cannot_match_is_rejected_with_its_line(text):
    with pytest.raises(ValueError, match=rf"^Line {2 if 'casino' in text else 1} cannot match anything\."):
        WordList.from_text(text)


def test_an_error_names_up_to_a_hundred_lines():
    with pytest.raises(ValueError, match=r"^Lines 1, 3, 4 cannot match"):
        WordList(["!", "word", "?", "..."])
    with pytest.raises(ValueError, match=r" 99, 100 and 20 more cannot match"):
        WordList("!" * number for number in range(1, 121))


@pytest.mark.parametrize("text", ["", "\n \n", "# only a comment"])
def test_an_empty_list_is_rejected(text):
    with pytest.raises(ValueError, match="The list is empty"):
        WordList.from_text(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada Lovelace", "Аda Lоvеlасе"),  # Cyrillic
        ("Ada Lovelace", "ΑDΑ LΟVELACE"),  # Greek
        ("Ada Lovelace", "Ａｄａ　Ｌｏｖｅｌａｃｅ"),
        ("Ada Lovelace", "𝔄𝔡𝔞 𝔏𝔬𝔳𝔢𝔩𝔞𝔠𝔢"),
        ("Ada Lovelace", "A\u200bda  Love\u200dlace"),
        ("Oscar", "Оѕсаг"),  # wholly Cyrillic
        ("Zoë", "Zoё"),
        ("Ian", "ıan"),
    ],
)
def test_names_that_look_alike_have_the_same_skeleton(one, other):
    assert skeleton(one) == skeleton(other)
    assert impression(one) == impression(other)


@pytest.mark.parametrize(("one", "other"), [("Jürgen", "Jurgen"), ("Łukasz", "Lukasz"), ("Müller", "Mueller")])
def test_a_letter_with_a_mark_of_its_own_has_another_skeleton(one, other):
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize(
    "other", ["Ada LoveIace", "Ada Love1ace", "AdaLovelace", "ADA-LOVELACE.", "Àda Lövelace", "Ada L0velace"]
)
def test_an_impression_ignores_more_than_a_skeleton(other):
    assert impression(other) == impression("Ada Lovelace")
    assert skeleton(other) != skeleton("Ada Lovelace")


def test_names_of_different_emoji_have_different_impressions():
    assert impression("🦊") != impression("🐻")
    assert impression("Ada") != impression("Eda")


def test_the_skeleton_of_any_character_is_its_own_skeleton():
    for block in range(0, sys.maxunicode, 0x1000):
        once = skeleton(" ".join(map(chr, range(block, block + 0x1000))))
        assert skeleton(once) == once


def test_only_marks_and_letters_are_what_the_tables_say():
    assert set("".join(confusables_data.LOOKALIKES.values())).isdisjoint(map(chr, range(128)))
    assert not any(mark.isalnum() for mark in folding.MARKS)
    assert all(len(plain) == 1 for plain in (confusables._LOOKALIKES | folding._STYLES).values())


often = settings(
    max_examples=100 * MORE_EXAMPLES, deadline=None, derandomize=True, database=None
)
ANYTHING = st.text(st.characters())
CURIOUS = st.text("ab ñ\u0301é'nt-.\u200d🍆🇦色คิ\u0e34אָμσςßiıİІо#:/\uff9e\u3099ﬃ\n")
LETTERS = st.text("abcntzäößéабвαβγ", min_size=1)


@often
@given(ANYTHING | CURIOUS)
def test_the_skeleton_of_a_skeleton_is_the_same(text):
    assert skeleton(skeleton(text)) == skeleton(text)
    assert len(confusables.drawn(folding.folded(text))) == len(folding.folded(text))


@often
@given(ANYTHING | CURIOUS, ANYTHING | CURIOUS)
@example("n't", "n't")
def test_no_entry_and_no_text_causes_an_error(entry, text):
    try:
        listed = WordList([entry])
    except ValueError as error:
        assert str(error)  # noqa: PT017 -- most entries are valid
    else:
        assert listed.find_first(text) in {None, " ".join(entry.split())}


@often
@given(ANYTHING | CURIOUS, ANYTHING | CURIOUS, ANYTHING | CURIOUS)
@example("https://a.b/", "x", "y")
def test_an_entry_between_spaces_matches(entry, before, after):
    try:
        listed = WordList([entry])
    except ValueError:
        assume(False)
    assert listed.find_first(f"{before} {entry} {after}") == " ".join(entry.split())


@often
@given(LETTERS, LETTERS, LETTERS)
def test_a_longer_word_that_contains_an_entry_does_not_match(entry, before, after):
    listed = WordList([entry])
    for text in (before + entry, entry + after, before + entry + after):
        assert listed.find_first(f"Is {text} here?") is None


@often
@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4), st.text("abc -.,'\n"))
def test_plain_words_match_as_in_a_simple_word_by_word_search(entries, text):
    said = "".join(character if character.isalpha() else " " for character in text).split()
    first = next((word for word in said if word in entries), None)
    assert WordList(entries).find_first(text) == first


def steps(listed: WordList, text: str) -> int:
    """Return how many of our lines one search executes."""
    files = {confusables.__file__, folding.__file__, word_list.__file__}
    count = 0

    def trace(frame, event, _argument):
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename in files else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        listed.find_first(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    ("entries", "unit"),
    [
        (["a a a a a a a b", "a a a b"], "a "),
        (["色色色色情"], "色"),
        ([".ru", "/ru", "ru/", "ru.net"], "ru "),
        (["pot"], "рот "),
        (["sik"], "sık "),
        (["x"], "\u0301\u0323"),
        (["x"], "\uff9e\u0301"),
        (["🍆 x"], "🍆"),
        (["go.to/a"], "go.to/"),
    ],
)
def test_a_hostile_text_takes_linear_time(entries, unit):
    listed = WordList(entries)
    once, twice = steps(listed, unit * 300), steps(listed, unit * 600)
    assert twice < 2.2 * once


def test_a_long_run_of_marks_takes_linear_time():
    assert skeleton("a" + "\u0301\u0323" * 500_000) == "\u1ea1"  # ạ; the other marks have no such letter


def test_a_long_list_takes_as_many_steps_as_a_short_one():
    text = "Some ordinary words that somebody wrote about compilers. " * 20
    short = WordList(["w0rd"])
    long = WordList(f"w{number}rd and w{number}rds" if number % 2 else f"w{number}rd" for number in range(65_000))

    assert long.find_first("Here is W64998RD!") == "w64998rd"
    assert steps(long, text) == steps(short, text)


def test_the_lookalike_table_contains_only_folded_letters():
    for letter in confusables._LOOKALIKES:
        assert folding.folded(letter) == letter
        assert unicodedata.category(letter).startswith("L")
