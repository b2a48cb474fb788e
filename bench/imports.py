"""Measure imports: comments that come in per second, from an archive of WordPress and from one of this service."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.corpus import WORDS
from bench.databases import open_folder

COMMENTS: Final = 30_000
THREAD: Final = 40  # comments in each


def measure_imports() -> None:
    """Print comments per second, processor time and memory of both imports."""
    with open_folder() as folder:
        archive = folder / "export.xml"
        archive.write_text(_write_wxr(), encoding="utf-8")
        first = _migrate(folder, "first")
        print("\nimports\nformat  comments/s  CPU µs/comment")
        _measure(first, "wxr", archive)
        lines = folder / "export.jsonl"
        lines.write_bytes(_run(first, "export").stdout)
        _measure(_migrate(folder, "second"), "jsonl", lines)


def _migrate(folder: Path, name: str) -> dict[str, str]:
    secret = "a-secret-of-the-measurements-long-enough"  # noqa: S105 -- of a database that is deleted
    url = f"sqlite:///{folder / name}.db"
    settings = {**os.environ, "COMMENTSVC_DATABASE_URL": url, "COMMENTSVC_SECRET_KEY": secret}
    _run(settings, "migrate")
    return settings


def _measure(settings: dict[str, str], kind: str, archive: Path) -> None:
    before, began = _cpu(), time.perf_counter()
    _run(settings, "import", kind, str(archive))
    seconds = time.perf_counter() - began
    print(f"{kind:6}  {COMMENTS / seconds:10,.0f}  {(_cpu() - before) / COMMENTS * 1e6:14,.0f}")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(settings: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "commentsvc", *words]
    return subprocess.run(program, env=settings, check=True, capture_output=True)


def _write_wxr() -> str:
    items = "".join(map(_item, range(COMMENTS // THREAD)))
    return (
        '<rss xmlns:wp="http://wordpress.org/export/1.2/"><channel><wp:wxr_version>1.2</wp:wxr_version>'
        f"<wp:base_blog_url>https://blog.example</wp:base_blog_url>{items}</channel></rss>"
    )


def _item(post: int) -> str:
    comments = "".join(_comment(post * THREAD + place + 1, place) for place in range(THREAD))
    return (
        f"<item><title>Post {post}</title><link>https://blog.example/post-{post}/</link>"
        f"<wp:post_id>{post}</wp:post_id>{comments}</item>"
    )


def _comment(number: int, place: int) -> str:
    words = " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 20 + number % 80))
    fields = {
        "id": number,
        "author": f"Person {number % 5000}",
        "author_email": f"p{number % 5000}@example.com",
        "date_gmt": f"2020-{1 + number % 12:02}-{1 + number % 28:02} {number % 24:02}:{number % 60:02}:00",
        "content": words,
        "approved": 1,
        "parent": number - 1 if place % 3 else 0,
    }
    inside = "".join(f"<wp:comment_{name}>{value}</wp:comment_{name}>" for name, value in fields.items())
    return f"<wp:comment>{inside}</wp:comment>"
