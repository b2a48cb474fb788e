"""Small exports of WordPress and Disqus, as text."""

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.records import CommentRecord, LeftOut, ThreadRecord

WORDPRESS = """\
<?xml version="1.0" encoding="UTF-8" ?>
<!-- 1. Log in, and choose Tools > Import. This is not an <item>. -->
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/">
<channel>
<title>Garden</title>
<link>https://garden.example</link>
<wp:wxr_version>1.2</wp:wxr_version>
<wp:base_site_url>https://wordpress.com/</wp:base_site_url>
<wp:base_blog_url>https://garden.example</wp:base_blog_url>
{items}
</channel>
</rss>
"""
ITEM = """\
<item>
<title>Roses &amp; tulips</title>
<link>https://garden.example/2020/roses/</link>
<content:encoded><![CDATA[A post.]]></content:encoded>
<wp:post_id>7</wp:post_id>
<wp:comment_status>open</wp:comment_status>
<wp:post_name>roses</wp:post_name>
<wp:post_type>post</wp:post_type>
{comments}
</item>
"""
COMMENT = {
    "comment_id": "1",
    "comment_author": "<![CDATA[Ada]]>",
    "comment_author_email": "ada@example.org",
    "comment_author_url": "https://ada.example/",
    "comment_author_IP": "192.0.2.7",
    "comment_date": "2020-05-01 14:00:00",
    "comment_date_gmt": "2020-05-01 12:00:00",
    "comment_content": "<![CDATA[Nice roses!]]>",
    "comment_approved": "1",
    "comment_type": "",
    "comment_parent": "0",
    "comment_user_id": "0",
}
DISQUS = """\
<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<category dsq:id="1"><forum>garden</forum><title>General</title></category>
<thread dsq:id="10"><id>roses</id><forum>garden</forum><category dsq:id="1" /><link>https://garden.example/roses</link>
<title>Roses</title><message /><author><name>Ada</name></author><isClosed>false</isClosed><isDeleted>false</isDeleted>
</thread>
{posts}
</disqus>
"""
POST = """\
<post dsq:id="{number}"><id /><message>{message}</message><createdAt>2020-05-01T12:00:00Z</createdAt>
<isDeleted>{is_deleted}</isDeleted><isSpam>{is_spam}</isSpam>
<author><name>Ada</name><isAnonymous>false</isAnonymous><username>ada</username></author>
<thread dsq:id="{thread}" />{more}</post>
"""


def wordpress_comment(**fields):
    """Return a comment. The values are XML."""
    inner = "\n".join(f"<wp:{name}>{value}</wp:{name}>" for name, value in (COMMENT | fields).items())
    return f"<wp:comment>\n{inner}\n</wp:comment>"


def wordpress(*comments):
    """Return an export with one post."""
    return WORDPRESS.format(items=ITEM.format(comments="\n".join(comments)))


def disqus_post(number="20", message="Nice roses!", is_deleted="false", is_spam="false", thread="10", more=""):
    """Return a comment. The message is XML."""
    return POST.format(number=number, message=message, is_deleted=is_deleted, is_spam=is_spam, thread=thread, more=more)


def disqus(*posts):
    """Return an export with one thread."""
    return DISQUS.format(posts="\n".join(posts))


def read(archive_format, folder, text):
    """Return all records of a file with this text."""
    path = folder / "archive.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(archive_format.read(ArchiveFile(path)))


def comments_of(records):
    """Return the comments."""
    return [record for record in records if isinstance(record, CommentRecord)]


def threads_of(records):
    """Return the threads."""
    return [record for record in records if isinstance(record, ThreadRecord)]


def left_out_of(records):
    """Return the reasons."""
    return [record.reason for record in records if isinstance(record, LeftOut)]
