"""Find the pages of comments in data files: by their folders, their fields, or the post that has them."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from commentsvc.archives.formats.data_files import FOLDERS, DataRow, below_roots
from commentsvc.archives.values import Row, first_of, optional

# A page in some themes, the parent in others: the parent if it is the id of a comment.
EITHER: Final = ("_parent", "parent")
PAGES: Final = (
    "_parent",
    "post_url",
    "page_url",
    "post_id",
    "page_id",
    "post_guid",
    "post",
    "page",
    "slug",
    "postId",
    "pageId",
)
POST_PAGES: Final = ("permalink", "wordpress_url", "url", "disqus_identifier")  # in the front matter of a post
POST_NAME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)-(.+)")  # Jekyll: the default address has these parts
UNORDERED: Final = "_comments"  # of a plugin that reads all files below it, and the page from each
ADDRESS: Final = ("http://", "https://")


def find_thread(one: DataRow, ids: set[str]) -> str:
    """Return the folder of a file below the folder of all comments, or the page that has this folder, or names it."""
    if one.above:
        return find_thread(one.above, ids)
    if one.page:
        return "/".join(below_roots(one.path.with_suffix("").parts))
    address = next((name for name in one.names if name.startswith(("/", *ADDRESS))), None)  # the key of a map
    if address is not None:
        return address
    has_many = bool(one.numbers or one.names or one.key)
    is_only_map = bool(one.names) and len(one.path.parts) == 1
    parts = [*one.path.parent.parts, *([one.path.stem] if has_many and not is_only_map else []), *one.names]
    last = max((place for place, part in enumerate(parts) if part in FOLDERS), default=-1)
    page, below = _page(one.row, ids), "/".join(parts[last + 1 :])
    if page and (parts[last] == UNORDERED if last >= 0 else one.numbers):
        return page
    return below or page or "/".join(below_roots(parts[: max(last, 0)]))


def _page(row: Row | None, ids: set[str]) -> str:
    """Return how a comment names its page."""
    return next((page for key in PAGES if (page := _page_in(key, row or {}, ids))), "")


def _page_in(key: str, row: Row, ids: set[str]) -> str:
    value = optional(row.get(key)) or ""
    return "" if key in EITHER and value in ids else value


def find_links(rows: Sequence[DataRow], thread: str, ids: set[str]) -> tuple[str, ...]:
    """Return the addresses of a page, then the path that its folder names."""
    written = [_page_in(key, one.row or {}, ids) for key in PAGES for one in rows]
    posts = [first_of(rows[0].page, key) for key in POST_PAGES]
    name = _address_of_post(rows[0].path) if rows[0].page else thread
    pages = [*(page for page in (*posts, *written) if "/" in page), name]
    return tuple(dict.fromkeys(page if page.startswith(("/", *ADDRESS)) else f"/{page}" for page in pages))


def _address_of_post(path: PurePosixPath) -> str:
    """Return where Jekyll puts a post if nothing else is configured."""
    dated = POST_NAME.fullmatch(path.stem)
    return "/".join(dated.groups()) + ".html" if dated else "/".join(below_roots(path.with_suffix("").parts))
