"""A small archive of each format, with the oddities that real ones have."""

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from contextlib import closing

from commentsvc.archives.files import ArchiveFile

MS = 1_614_600_000_000  # 2021-03-01T12:00:00Z
COMMENTO_ANONYMOUS = "0" * 64

TWIKOO = [
    {
        "_id": "t1",
        "nick": "Mia",
        "mail": "mia@example.com",
        "mailMd5": "0123456789abcdef0123456789abcdef",
        "link": "https://mia.example",
        "ua": "Firefox",
        "ip": "192.0.2.1",
        "master": False,
        "isSpam": False,
        "url": "/hello/",
        "href": "https://blog.example/hello/",
        "comment": "<p>Hi <b>all</b></p>",
        "created": MS,
        "updated": MS,
        "like": ["u1"],
    },
    {
        "_id": {"$oid": "t2"},
        "nick": "Bo",
        "mail": "",
        "link": "",
        "url": "/hello/",
        "pid": "t1",
        "rid": "t1",
        "comment": "<p>Me too</p>",
        "created": {"$numberLong": str(MS + 1000)},
        "isSpam": False,
    },
    {
        "_id": "t3",
        "nick": "Pill",
        "url": "/hello/",
        "comment": "<p>Buy</p>",
        "created": MS,
        "isSpam": True,
        "pid": None,
        "rid": None,
    },
]
VALINE = [
    {
        "objectId": "v1",
        "nick": "Mia",
        "mail": "mia@example.com",
        "link": "http://",
        "url": "/hello/",
        "comment": "<p>Hi</p>",
        "ua": "Firefox",
        "ip": "192.0.2.1",
        "ACL": {"*": {"read": True}},
        "insertedAt": {"__type": "Date", "iso": "2020-01-02T03:04:05.678Z"},
        "createdAt": "2023-09-09T00:00:00Z",
    },
    {
        "objectId": "v2",
        "nick": "Bo",
        "url": "/hello/",
        "comment": "<p><a href='#v1'>@Mia</a> Yes</p>",
        "pid": "v1",
        "rid": "v1",
        "createdAt": "2020-01-03T03:04:05.000Z",
    },
    {
        "objectId": "v3",
        "nick": "Pill",
        "url": "/b",
        "comment": "<p>Buy</p>",
        "isSpam": "true",
        "createdAt": "2020-01-04",
    },
]
WALINE = [
    {
        "objectId": 1,
        "nick": "Mia",
        "mail": "mia@example.com",
        "link": "https://mia.example",
        "url": "/hello/",
        "comment": "**Hi**",
        "status": "approved",
        "ua": "Firefox",
        "ip": "192.0.2.1",
        "pid": None,
        "rid": None,
        "insertedAt": "2022-05-05 10:11:12",
        "createdAt": "2023-09-09 00:00:00",
        "user_id": 7,
    },
    {"objectId": 2, "nick": "Bo", "url": "/hello/", "comment": "Later", "status": "waiting", "pid": 1, "rid": 1},
    {"objectId": 3, "nick": "Pill", "url": "/hello/", "comment": "Buy", "status": "spam"},
    {"objectId": 4, "nick": "Old", "url": "/hello/", "comment": "<p>From <b>Valine</b></p>", "status": "approved"},
]
ARTRANS = [
    {
        "id": "1",
        "rid": "0",
        "content": "Hi",
        "ua": "Firefox",
        "ip": "192.0.2.1",
        "is_collapsed": "false",
        "is_pending": "false",
        "nick": "Mia",
        "email": "mia@example.com",
        "link": "",
        "site_name": "Blog",
        "created_at": "2021-10-28 20:50:15 +0800 CST",
        "page_key": "https://blog.example/hello/",
        "page_title": "Hello",
        "page_admin_only": "false",
        "vote_up": "0",
        "vote_down": "0",
        "badge_name": "",
    },
    {
        "id": "2",
        "rid": "1",
        "content": "Later",
        "is_pending": "true",
        "nick": "Bo",
        "email": "bo@example.com",
        "created_at": "2021-10-28 20:51:15 +0000 UTC",
        "page_key": "https://blog.example/hello/",
    },
]
COMMENTO = {
    "version": 1,
    "comments": [
        {
            "commentHex": "c1",
            "domain": "blog.example",
            "url": "/hello/",
            "commenterHex": "p1",
            "html": "<p>Hi</p>",
            "markdown": "Hi *all*",
            "parentHex": "root",
            "score": 3,
            "state": "approved",
            "direction": 0,
            "creationDate": "2019-01-02T03:04:05.123456789Z",
            "deleted": False,
        },
        {
            "commentHex": "c2",
            "domain": "blog.example",
            "url": "/hello/",
            "commenterHex": COMMENTO_ANONYMOUS,
            "markdown": "Old text",
            "parentHex": "c1",
            "state": "approved",
            "creationDate": "2019-01-02T04:04:05Z",
            "deleted": True,
        },
        {
            "commentHex": "c3",
            "domain": "blog.example",
            "url": "hello/",
            "commenterHex": "anonymous",
            "markdown": "Nobody",
            "parentHex": "c2",
            "state": "unapproved",
            "creationDate": "2019-01-02T05:04:05Z",
        },
        {
            "commentHex": "c4",
            "domain": "undefined",
            "url": "/b",
            "commenterHex": "p1",
            "markdown": "Buy",
            "parentHex": "root",
            "state": "flagged",
            "creationDate": "2019-01-03T05:04:05Z",
            "deleted": False,
        },
    ],
    "commenters": [
        {"commenterHex": "p1", "email": "mia@example.com", "name": "Mia", "link": "undefined", "photo": "undefined"},
    ],
}
COMENTARIO = {
    "version": 3,
    "pages": [{"id": "page-1", "domainId": "d", "path": "/hello/", "title": "Hello", "isReadonly": True}],
    "comments": [
        {
            "id": "u1",
            "pageId": "page-1",
            "markdown": "Hi",
            "html": "<p>Hi</p>",
            "isApproved": True,
            "isPending": False,
            "isDeleted": False,
            "createdTime": "2024-01-02T03:04:05.000Z",
            "userCreated": "p1",
            "authorIp": "192.0.2.1",
        },
        {
            "id": "u2",
            "parentId": "u1",
            "pageId": "page-1",
            "markdown": "Yes",
            "isApproved": False,
            "isPending": True,
            "createdTime": "2024-01-02T04:04:05.000Z",
            "authorName": "Bo",
            "userCreated": "00000000-0000-0000-0000-000000000000",
        },
        {
            "id": "u3",
            "parentId": "u1",
            "pageId": "page-1",
            "html": "<p>Secret</p>",
            "isDeleted": True,
            "isApproved": True,
        },
        {"id": "u4", "pageId": "page-1", "markdown": "Rude", "isApproved": False, "userCreated": "p1"},
    ],
    "commenters": [{"id": "p1", "email": "mia@example.com", "name": "Mia", "websiteUrl": "https://mia.example"}],
}
REMARK42 = [
    {
        "version": 1,
        "users": [
            {"id": "github_1", "verified": True, "details": {"user_id": "github_1", "email": "mia@example.com"}},
            {"id": "anon_2", "blocked": {"status": False, "until": "0001-01-01T00:00:00Z"}},
        ],
        "posts": [{"url": "https://blog.example/hello/", "read_only": True}],
    },
    {
        "id": "r1",
        "pid": "",
        "text": "<p>Hi</p>\n",
        "orig": "**Hi**",
        "score": 0,
        "time": "2017-12-20T15:18:22-06:00",
        "user": {"name": "Mia", "id": "github_1", "picture": "", "ip": "293ec5b0cf154855258824ec7fac5dc63d176915"},
        "locator": {"site": "blog", "url": "https://blog.example/hello/"},
        "title": "Hello",
        "edit": {"time": "2017-12-20T15:20:00-06:00", "summary": ""},
    },
    {
        "id": "r2",
        "pid": "r1",
        "text": "",
        "delete": True,
        "time": "2017-12-21T15:18:22-06:00",
        "user": {"name": "deleted", "id": "deleted"},
        "locator": {"site": "blog", "url": "https://blog.example/hello/"},
    },
    {
        "id": "r3",
        "pid": "r2",
        "text": "<p>From <b>Disqus</b></p>",
        "imported": True,
        "time": "2017-12-22T15:18:22Z",
        "user": {"name": "Bo", "id": "disqus_x"},
        "locator": {"site": "blog", "url": "https://blog.example/hello/"},
    },
]
CUSDIS = {
    "comments": [
        {
            "id": "k1",
            "pageId": "p-1",
            "created_at": MS,
            "deletedAt": None,
            "by_email": "mia@example.com",
            "by_nickname": "Mia",
            "content": "Hi *all*",
            "approved": 1,
            "parentId": None,
        },
        {
            "id": "k2",
            "pageId": "p-1",
            "created_at": MS + 1000,
            "deletedAt": None,
            "by_email": None,
            "by_nickname": "Bo",
            "content": "Later",
            "approved": 0,
            "parentId": "k1",
        },
        {
            "id": "k3",
            "pageId": "p-1",
            "created_at": MS + 2000,
            "deletedAt": MS + 3000,
            "by_email": None,
            "by_nickname": "Cy",
            "content": "Gone",
            "approved": 1,
            "parentId": "k1",
        },
    ],
    "pages": [{"id": "p-1", "slug": "hello", "url": "https://blog.example/hello/", "title": "Hello", "projectId": "x"}],
}
STATICMAN = {
    "comments/hello/entry1.yml": "_id: s1\n_parent: 'https://blog.example/hello/'\nmessage: \"Hi\\r\\nall\"\n"
    "name: Null\nemail: 0123456789abcdef0123456789abcdef\nhp: ''\ndate: 1601518883\n",
    "comments/hello/entry2.yml": "_id: s2\nreplying_to: '1'\nmessage: By place\nname: Yes\n"
    "date: '2020-10-01T02:21:24.000Z'\n",
    "comments/hello/entry3.yml": "_id: s3\nreplying_to_uid: s2\nmessage: By id\nname: 0xFF\ndate: 1601518885\n",
    "comments/hello/entry4.yml": "_id: s4\nreplying_to: '7'\nmessage: To nobody\nname: Bo\ndate: 1601518886\n",
    "comments/hello/entry5.json": '{"_id": "s5", "message": "As JSON", "name": "Cy", "date": 1601518887, '
    '"url": "https://cy.example"}',
    "comments/hello/entry6.yml": "message: [unfinished\n",
    "readme.md": "no data",
}
WP2HUGO = """\
- id: "4"
  author_name: "No"
  author_email: mia@example.com
  author_url: ""
  published: 2012-03-04T19:24:24Z
  parent_id: "0"
  content: |-
    First line
    second line
  post_url: /2012/02/hello/
  post_id: "18"
- id: "5"
  author_name: Bo
  author_email: ""
  author_url: https://bo.example
  published: 2012-03-05T19:24:24Z
  parent_id: "4"
  content: '<b>Yes</b>'
  post_url: /2012/02/hello/
  post_id: "18"
"""
WXR = """<?xml version="1.0"?><rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<link>https://blog.example</link><wp:wxr_version>1.2</wp:wxr_version><item><title>Hello</title>
<link>https://blog.example/hello/</link><wp:post_id>1</wp:post_id><wp:comment><wp:comment_id>1</wp:comment_id>
<wp:comment_author>Mia</wp:comment_author><wp:comment_content>Hi</wp:comment_content></wp:comment></item></channel></rss>
"""
DISQUS = """<?xml version="1.0"?><disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<thread dsq:id="1"><id /><link>https://blog.example/hello/</link></thread>
<post dsq:id="2"><message>Hi</message><thread dsq:id="1" /></post></disqus>
"""


def make_isso(
    path, comments=(), *, columns="tid, id, parent, created, mode, remote_addr, text, author, email, website"
):
    rows = comments or [
        (1, 1, None, 1614600000.5, 1, "192.0.2.0", "Hi *all*", "Mia", "mia@example.com", "https://mia.example"),
        (1, 2, 1, 1614600060.0, 4, "192.0.2.0", "", None, None, None),
        (1, 3, 2, 1614600120.0, 2, "192.0.2.0", "Later", None, None, None),
    ]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE threads (id INTEGER PRIMARY KEY, uri VARCHAR(256) UNIQUE, title VARCHAR(256))")
        database.execute("CREATE TABLE preferences (key VARCHAR PRIMARY KEY, value VARCHAR)")
        database.execute(f"CREATE TABLE comments ({columns})")
        database.execute("INSERT INTO threads VALUES (1, '/hello/', 'Hello')")
        database.execute("INSERT INTO preferences VALUES ('session-key', 'secret of this installation')")
        database.executemany(f"INSERT INTO comments VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return path


def make_cusdis_sqlite(path):
    with closing(sqlite3.connect(path)) as database, database:
        for table, rows in CUSDIS.items():
            names = ", ".join(f'"{name}"' for name in rows[0])
            database.execute(f"CREATE TABLE {table} ({names})")
            database.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", [tuple(row.values()) for row in rows]
            )
    return path


def make_folder(path, files=None):
    for name, text in (files or STATICMAN).items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return path


def make_zip(path, files=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (files or STATICMAN).items():
            archive.writestr(name, text)
    return path


def make_tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def make_text(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def lines(rows, first=""):
    return first + "".join(json.dumps(row) + "\n" for row in rows)


LEANCLOUD = '#filetype:JSON-streaming {"type":"Class","class":"Comment"}\n'
# Names of samples: the format, then the variant.
TEXTS = {
    "twikoo": json.dumps(TWIKOO),
    "twikoo-lines": lines(TWIKOO),
    "twikoo-loki": json.dumps({"filename": "db.json", "collections": [{"name": "comment", "data": TWIKOO}]}),
    "valine": json.dumps(VALINE),
    "valine-lines": lines(VALINE, LEANCLOUD),
    "valine-results": json.dumps({"results": VALINE}, indent=2),
    "waline": json.dumps(
        {"type": "waline", "version": 1, "tables": ["Comment"], "data": {"Comment": WALINE, "Users": []}}
    ),
    "waline-lines": lines(WALINE, LEANCLOUD),
    "waline-answer": json.dumps({"errno": 0, "data": {"type": "waline", "data": {"Comment": WALINE}}}),
    "artrans": "\ufeff" + json.dumps(ARTRANS),
    "commento": json.dumps(COMMENTO),
    "commento-v3": json.dumps(COMENTARIO, indent=1),
    "remark42": lines(REMARK42),
    "remark42-gz": gzip.compress(lines(REMARK42).encode()),
    "cusdis": json.dumps(CUSDIS),
    "cusdis-list": json.dumps(CUSDIS["comments"]),
    "cusdis-csv": "id,pageId,by_nickname,by_email,content,approved,created_at,parentId,slug\r\n"
    'k1,p-1,Mia,mia@example.com,"Hi, ""all""\nof you",t,2021-03-01 12:00:00.5+00,,hello\r\n',
    "wp2hugo": WP2HUGO,
    "wxr": WXR,
    "disqus": DISQUS,
}
MADE = {
    "valine-tar": lambda folder: make_tar(
        folder / "export.tar.gz", {"app/Comment.0.jsonl": lines(VALINE, LEANCLOUD), "app/_User.0.jsonl": "{}"}
    ),
    "waline-tar": lambda folder: make_tar(folder / "export.tar.gz", {"Comment.0.jsonl": lines(WALINE, LEANCLOUD)}),
    "waline-mongo": lambda folder: make_text(
        folder / "mongo.json", lines([{**row, "_id": {"$oid": f"{row['objectId']:024}"}} for row in WALINE])
    ),
    "isso": lambda folder: make_isso(folder / "comments.db"),
    "cusdis-sqlite": lambda folder: make_cusdis_sqlite(folder / "cusdis.db"),
    "cusdis-folder": lambda folder: make_folder(
        folder / "tables", {f"{name}.json": json.dumps(rows) for name, rows in CUSDIS.items()}
    ),
    "staticman": lambda folder: make_folder(folder / "_data"),
    "staticman-zip": lambda folder: make_zip(folder / "data.zip"),
    "remark42-zip": lambda folder: make_zip(folder / "backup.zip", {"backup.json": lines(REMARK42)}),
}
NAMES = sorted([*TEXTS, *MADE])


def make_sample(name, folder):
    """Write a sample, and return it as a file to import."""
    return ArchiveFile(MADE[name](folder) if name in MADE else make_text(folder / f"{name}.export", TEXTS[name]))
