"""Blogs made with Jekyll and Hugo keep comments in many layouts. Each comment is found, on its page, once."""

import json
from datetime import UTC, datetime

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import FORMATS, find_format
from commentsvc.archives.records import CommentRecord, LeftOut, ThreadRecord
from commentsvc.domain.models import Status
from tests.archives.samples import make_folder, make_tar, make_text

STATICMAN = next(one for one in FORMATS if one.name == "staticman")


def read(path):
    file = ArchiveFile(path)
    assert find_format(file).name == "staticman"
    records = list(STATICMAN.read(file))
    assert not any(isinstance(one, LeftOut) for one in records)
    return [one for one in records if isinstance(one, CommentRecord)], {
        one.id: one.links for one in records if isinstance(one, ThreadRecord)
    }


def one(name="Mia", text="Hi", **fields):
    rows = {"name": name, "message": text, "date": "2020-01-01", **fields}
    return "".join(f"{key}: {value}\n" for key, value in rows.items())


def parents(comments):
    names = {one.id: one.name for one in comments}
    return {one.name: names.get(one.parent) if one.parent else None for one in comments}


def test_comments_in_the_folder_of_a_page_belong_to_this_page(tmp_path):
    folder = make_folder(
        tmp_path / "blog",
        {"content/post/roses/comments/1.yml": one(), "content/post/roses/index.yml": "title: Roses\n"},
    )
    assert read(folder)[1] == {"post/roses": ("/post/roses",)}


@pytest.mark.parametrize("given", ["blog", "blog/source/_comments"])
def test_comments_that_name_their_page_may_be_in_any_folder(tmp_path, given):
    files = {
        "source/_comments/2010/1.yml": one(post_id="/2010/05/06/roses"),
        "source/_comments/2010/2.yml": one("Bo", post_id="/2010/05/07/tulips"),
        "source/_comments/3.yml": one("Cy", post_id="/2010/05/06/roses"),
    }
    make_folder(tmp_path / "blog", files)
    comments, pages = read(tmp_path / given)
    assert pages == {page: (page,) for page in ("/2010/05/06/roses", "/2010/05/07/tulips")}
    assert sorted((one.name, one.thread) for one in comments) == [
        ("Bo", "/2010/05/07/tulips"),
        ("Cy", "/2010/05/06/roses"),
        ("Mia", "/2010/05/06/roses"),
    ]


def test_comments_of_two_pages_that_are_both_numbered_from_1_all_come_along(tmp_path):
    files = {
        f"_data/comments/{page}/{number}.yml": one(f"{page}{number}", id=number) for page in "ab" for number in (1, 2)
    }
    files["_data/comments/b/3.yml"] = one("reply", id=3, parent_id=2)
    comments, _ = read(make_folder(tmp_path / "blog", files))
    assert len({one.id for one in comments}) == 5
    assert parents(comments) == {"a1": None, "a2": None, "b1": None, "b2": None, "reply": "b2"}


def test_two_comments_with_one_id_and_other_words_both_come_along(tmp_path):
    files = {f"comments/a/{text}.yml": one(text=text, _id="same-id") for text in ("first", "second")}
    files["comments/a/copy.yml"] = one(text="first", _id="same-id")
    comments, _ = read(make_folder(tmp_path / "blog", files))
    assert sorted(one.text for one in comments) == ["first", "first", "second"]
    assert len({one.id for one in comments}) == 2


def test_a_field_that_names_the_page_in_most_themes_names_the_parent_in_some(tmp_path):
    files = {
        "_data/comments/roses/1.yml": one(_id="aa-1", _parent="aa-1"),
        "_data/comments/roses/2.yml": one("Bo", _id="aa-2", _parent="aa-1"),
        "_data/comments/tulips/3.yml": one("Cy", _id="aa-3", _parent="/2020/tulips/"),
    }
    comments, pages = read(make_folder(tmp_path / "blog", files))
    assert parents(comments) == {"Mia": None, "Bo": "Mia", "Cy": None}
    assert pages == {"roses": ("/roses",), "tulips": ("/2020/tulips/", "/tulips")}


@pytest.mark.parametrize(
    "files",
    [
        {"_data/comments/roses.json": '[{"name": "Mia", "message": "Hi", "date": "2020-01-01"}]'},
        {"_data/comments.yml": "roses:\n- name: Mia\n  message: Hi\n  date: 2020-01-01\n"},
        {"data/comments.json": '{"roses": {"c1": {"name": "Mia", "message": "Hi", "date": "2020-01-01"}}}'},
        {"_data/comments/roses/1.md": "---\nname: Mia\ndate: 2020-01-01\n---\nHi\n"},
        {"_data/comments/roses/1.yml": "author:\n  name: Mia\ncontent: Hi\ndate: 2020-01-01\n"},
        {"_data/comments/1.yml": one(slug="roses")},
    ],
    ids=["list", "map", "map-of-maps", "front-matter", "author", "flat"],
)
def test_a_file_may_have_many_comments_or_be_a_text(tmp_path, files):
    comments, pages = read(make_folder(tmp_path / "blog", files))
    assert [(one.name, one.text.strip(), one.thread) for one in comments] == [("Mia", "Hi", "roses")]
    assert pages == {"roses": ("/roses",)}


def test_a_list_of_comments_needs_no_folder(tmp_path):
    text = "- name: Mia\n  post: roses\n  message: Hi\n  date: 2020-01-01\n  replies:\n  - name: Bo\n    message: Yes\n"
    comments, pages = read(make_text(tmp_path / "all.yml", text))
    assert parents(comments) == {"Mia": None, "Bo": "Mia"}
    assert pages == {"roses": ("/roses",)}


def nested(names, key):
    rows = []
    for name in reversed(names):
        rows = [{"name": name, "message": f"<p>{name}</p>", "created": "2020-01-01T00:00:00Z", key: rows}]
    return rows


@pytest.mark.parametrize("key", ["children", "replies"])
def test_replies_in_replies_come_along_however_deep_they_are(tmp_path, key):
    names = [f"{number}" for number in range(60)]
    text = json.dumps({"/roses": nested(names, key), "": nested(["Mia"], key)})
    comments, pages = read(make_folder(tmp_path / "blog", {"_data/comments.json": text}))
    above = {one.id: one.name for one in comments}
    assert {one.name: above.get(one.parent) for one in comments} == {
        "Mia": None,
        **dict(zip(names, [None, *names], strict=False)),
    }
    assert pages == {"/roses": ("/roses",), "/": ("/",)}


def test_a_comment_without_an_id_is_the_same_when_newer_ones_stand_before_it(tmp_path):
    old, new = one(), one("Bo", "Newer")
    older = make_text(tmp_path / "1.yml", "- " + old.replace("\n", "\n  "))
    newer = make_text(tmp_path / "2.yml", "- " + new.replace("\n", "\n  ") + "\n- " + old.replace("\n", "\n  "))
    (first,), (_, second) = read(older)[0], read(newer)[0]
    assert first.id.partition("#")[2] == second.id.partition("#")[2]


POST = """---
title: Roses
comments:
- id: 7
  author: Mia
  author_email: mia@example.com
  author_url: http://mia.example/
  date: '2010-05-07 10:00:00 +0200'
  date_gmt: '2010-05-07 08:00:00 +0200'
  content: |
    Hi <b>all</b>
- id: 8
  author: Bo
  date: '2010-05-07 11:00:00 +0200'
  content: Waits
  approved: false
---
A text.
"""


def test_comments_in_the_front_matter_of_a_post_come_along(tmp_path):
    files = {
        "_posts/2010-05-06-roses.html": POST,
        "_posts/2011-01-01-none.md": "---\ntitle: None\ncomments: true\n---\n",
    }
    comments, pages = read(make_folder(tmp_path / "blog", files))
    assert [(one.name, one.email, one.website, one.created_at, one.status) for one in comments] == [
        ("Mia", "mia@example.com", "http://mia.example/", datetime(2010, 5, 7, 8, tzinfo=UTC), Status.APPROVED),
        ("Bo", None, None, datetime.fromisoformat("2010-05-07T11:00:00+02:00"), Status.PENDING),
    ]
    assert pages == {"2010-05-06-roses": ("/2010/05/06/roses.html",)}


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("approved: no", Status.PENDING),
        ("comment_approved: 0", Status.PENDING),
        ("status: Spam", Status.SPAM),
        ("comment_approved: post-trashed", Status.TRASH),
        ("status: spam\napproved: false", Status.SPAM),
        ("status: published", Status.APPROVED),
        ("published: 2026-01-01", Status.APPROVED),
    ],
)
def test_what_the_blog_did_not_show_is_not_published(tmp_path, written, status):
    [comment], _ = read(make_folder(tmp_path, {"comments/roses/1.yml": f"{one()}{written}\n"}) / "comments")
    assert comment.status is status


def test_a_blog_with_many_data_files_is_recognised_and_ids_are_the_same_as_in_its_folder(tmp_path):
    files = {f"blog/_data/a{number}.yml": "a: b\n" for number in range(60)} | {"blog/_data/comments/roses/1.yml": one()}
    packed, _ = read(make_tar(tmp_path / "blog.tar.gz", files))
    folder, _ = read(make_folder(tmp_path, files) / "blog/_data/comments")
    assert [one.id for one in packed] == [one.id for one in folder] == ["roses/1"]
