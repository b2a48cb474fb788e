"""A comment has features that people can name, whatever strangers write in it."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.domain.markdown import render
from commentsvc.spam import features, text_shape
from commentsvc.spam.features import (
    BEGINNING,
    END,
    MOST_HOSTS,
    Sample,
    bucket_of,
    list_features,
    list_traits,
    sample_of,
    weigh_features,
)

MOST_FEATURES = 3 * (BEGINNING + END) + 1000  # of the longest comment: no test needs a clock to show it
samples = st.builds(
    Sample,
    text=st.text(max_size=300) | st.sampled_from(["кaзino", "𝗪𝗜𝗡 now", "スロットで遊ぶ", "ok", ""]),
    name=st.text(max_size=40),
    website_host=st.sampled_from(["", "win.example", "..", "xn--e1afmkfd.example"]),
    website_path=st.text(max_size=20),
    link_hosts=st.lists(st.sampled_from(["a.example", "cheap-pills.example", "1.2.3.4"])).map(tuple),
    links=st.integers(0, 10_000),
    has_code=st.booleans(),
    thread_age_days=st.floats(0, 10_000),
)


def sample(text="", name="Mia", website=None, age=0.0):
    return sample_of(name, website, render(text), age)


@given(samples)
def test_the_features_that_people_read_about_are_those_that_are_weighed(one):
    assert {*map(bucket_of, list_features(one))} == {*weigh_features(one)}


@given(samples)
def test_a_comment_weighs_at_most_as_much_as_its_four_groups_of_features(one):
    squares = sum(value * value for value in weigh_features(one).values())
    assert 0 < squares < 6  # more than 4 only if features of two groups share a bucket


def test_words_and_characters_that_strangers_make_up_do_not_fill_the_memory():
    def kept():
        return [one.cache_info().currsize for one in (features._hash_word, text_shape._looks_latin)]

    before = kept()
    for number in range(200):
        weigh_features(Sample(text=f"{'x' * 600}{number}", name="Mia"))
    assert kept() == before
    for start in range(0xF0000, 0xF0000 + 3 * text_shape.CHARACTERS_KEPT, 1000):
        weigh_features(Sample(text="".join(map(chr, range(start, start + 1000))), name="Mia"))
    assert kept()[1] <= text_shape.CHARACTERS_KEPT


def test_a_long_text_does_not_hide_what_the_name_says():
    bucket = bucket_of(("name_word", "casino"))
    short, long = (weigh_features(sample(text, name="Casino Bonus")) for text in ("Hi", "some words " * 2000))
    assert long[bucket] >= short[bucket] > 0.2


def test_no_fact_about_a_comment_is_the_email_address():
    assert {field.name for field in dataclasses.fields(Sample)} == {
        "text",
        "name",
        "website_host",
        "website_path",
        "link_hosts",
        "links",
        "has_code",
        "thread_age_days",
    }


@pytest.mark.parametrize("disguised", ["саsіnо", "𝗖𝗔𝗦𝗜𝗡𝗢", "ⓒⓐⓢⓘⓝⓞ", "CASINO", "ca\u200bsino"])
def test_a_disguised_word_is_the_word_that_readers_see(disguised):
    assert ("word", "casino") in list_features(sample(f"the {disguised} here"))


@pytest.mark.parametrize("apart", ["w i n", "W.I.N", "w-i-n", "𝗪 𝗜 𝗡"])
def test_letters_that_are_written_apart_are_a_word(apart):
    assert ("word", "win") in list_features(sample(f"You can {apart} here"))


def test_two_single_letters_are_no_word():
    assert ("word", "ai") not in list_features(sample("Plan A I like"))


def test_a_stretched_word_is_the_word_too():
    one, other = ({*list_features(sample(text))} for text in ("gacorrrrrr", "gacorrr"))
    assert {("word", "gacorr"), ("stretched", "")} <= one & other


def test_amounts_and_names_with_other_numbers_have_a_feature_in_common():
    one, other = ({*list_features(sample(text))} for text in ("50rb pas4d", "80rb pas7d"))
    assert {("word_form", "00rb"), ("word_form", "pas0d")} <= one & other


def test_emoji_and_punctuation_are_features_that_people_can_read():
    shown = [trait.shown for trait in list_traits(sample("Win $$$ now! 🔥🔥"))]
    assert [value for kind, value in shown if kind == "word"] == ["win", "now", "!", "$", "🔥"]


@pytest.mark.parametrize(
    ("text", "is_disguised"),
    [
        ("the саsіnо here", True),
        ("win at 𝗖𝗔𝗦𝗜𝗡𝗢 now", True),
        ("ⓒⓐⓢⓘⓝⓞ", True),
        ("the casino here", False),
        ("42 m², apa² at 5ª", False),
        ("le café est là", False),
        ("мама мыла раму", False),
        ("Ελλάδα and Россия", False),
    ],
)
def test_a_text_with_look_alike_letters_is_disguised(text, is_disguised):
    assert (("disguised", "") in list_features(sample(text))) is is_disguised


def test_a_comment_is_read_with_its_links_its_code_and_its_website():
    text = "See https://www.cheap-pills.example/buy and [this](https://win.example/1), `x = 1`, me@mail.example"
    one = sample(text, website="https://www.Shop.example/nike-shoes?sale=1")
    assert one.link_hosts == ("cheap-pills.example", "win.example")
    assert (one.links, one.has_code) == (2, True)
    assert (one.website_host, one.website_path) == ("shop.example", "nike-shoes?sale=1")
    shown = [trait.shown for trait in list_traits(one)]
    for feature in [
        ("link", "cheap-pills.example"),
        ("website", "shop.example"),
        ("path_word", "nike"),
        ("code", ""),
        ("website_is", "page"),
        ("thread_age", "day"),
    ]:
        assert feature in shown


def test_a_host_counts_the_same_in_a_link_and_as_website():
    linked, owned = sample("Go to https://win.example/1"), sample("Hello", website="https://win.example/")
    assert {*weigh_features(linked)} & {*weigh_features(owned)} >= {bucket_of(("link", "win.example"))}


def test_sentences_without_spaces_have_features_in_common():
    one, other = ({*list_features(sample(text))} for text in ("最高のカジノで遊ぶ", "カジノで勝つ方法"))
    assert len([feature for feature in one & other if feature[0] == "word"]) >= 3


def test_the_end_of_a_long_text_counts():
    features = {*list_features(sample(f"{'A long and friendly text. ' * 4000} Play at the megacasino."))}
    assert ("word", "megacasino") in features
    assert ("word", "friendly") in features


@pytest.mark.parametrize(
    "text",
    [
        "w" * 100_000,
        "wort " * 20_000,
        "".join(f"w{number} " for number in range(20_000)),
        "\u200b" * 100_000,
        "カ" * 100_000,
        "\ud800\udfff" * 1000,
        "a\u0301\u0302\u0303" * 30_000,
        "🎰" * 50_000,
    ],
)
def test_a_hostile_text_has_few_features(text):
    one = Sample(text=text, name=text, website_host=text, website_path=text, link_hosts=(text,) * 10_000, links=10_000)
    assert sum(1 for _ in list_features(one)) <= MOST_FEATURES + MOST_HOSTS * 3
    assert len(weigh_features(one)) <= MOST_FEATURES


def test_ten_thousand_links_are_counted_and_twenty_hosts_are_read():
    one = sample("".join(f"https://host{number}.example/ " for number in range(1000)))
    assert (len(one.link_hosts), one.links) == (MOST_HOSTS, 1000)
    assert ("links", "4") in list_features(one)


@pytest.mark.parametrize("website", ["http://[", "https://[::1]/x", "https://", "ftp:x"])
def test_a_website_without_a_host_is_no_website(website):
    assert ("website", "") not in list_features(sample("Hello", website=website))


def test_the_values_of_features_are_the_same_after_they_were_stored():
    values = weigh_features(sample("Some words, some more words", name="Mia Words", website="https://words.example"))
    assert {bucket: round(value, 6) for bucket, value in values.items()} == values
