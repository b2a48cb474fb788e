"""Render Markdown in which people also wrote HTML, as most comment systems show it.

Isso, Remark42, Commento, Artalk, Waline and the themes for Staticman let tags through. Comments that such a system had
imported from Disqus or WordPress are HTML altogether. The renderer of new comments shows tags as text instead.
"""

import re
from collections import Counter
from typing import Final

from commentsvc.domain import markdown

# Tags that those systems show. Others are text: ``Vector<int>`` keeps its words, and so does a script.
_TAGS: Final = (
    "a|abbr|b|big|blockquote|br|center|cite|code|dd|del|details|dfn|div|dl|dt|em|figcaption|figure|font|h[1-6]|hr|i"
    "|img|ins|kbd|li|mark|ol|p|pre|q|s|samp|small|span|strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr"
    "|tt|u|ul|var"
)
_TAG: Final = re.compile(rf"<(/?)({_TAGS})(?:\s[^<>]*)?>|<({_TAGS})(?:\s[^<>]*)?/>", re.IGNORECASE)
_NO_TAG: Final = re.compile(rf"<(?!/?(?:{_TAGS})(?:[\s>]|/>))", re.IGNORECASE)
# Elements whose end may be left out, or that have none.
_UNCLOSED: Final = frozenset({"br", "dd", "dt", "hr", "img", "li", "p", "tbody", "td", "tfoot", "th", "thead", "tr"})
# Links in the page and on the site, such as "[@Mia](#62c7efa8)" in replies of Waline: their words alone are shown.
_LOCAL: Final = re.compile(r"\]\(<?[#/](?!/)")
_LOCAL_LINK: Final = re.compile(r'<(?:a href|img src)="[#/](?!/)')


def render_mixed(text: str) -> str | None:
    """Return the HTML of such a text, not sanitised; None if it is plain Markdown.

    It is plain Markdown without tags, with tags in code only, and where an element has no end: then somebody wrote
    about a tag, as in "put it inside a <div>".
    """
    if not _TAG.search(text) and not _LOCAL.search(text):
        return None
    shown = _NO_TAG.sub("&lt;", markdown.render_raw(text, escapes=False))
    escaped = markdown.render_raw(text, escapes=True)
    tags = _TAG.findall(shown)
    if len(tags) > len(_TAG.findall(escaped)) and _are_closed(tags):
        return shown
    return escaped if _LOCAL_LINK.search(escaped) else None


def _are_closed(tags: list[tuple[str, str, str]]) -> bool:
    opened: Counter[str] = Counter()
    for close, name, _empty in tags:
        if name and name.lower() not in _UNCLOSED:
            opened[name.lower()] += -1 if close else 1
    return not any(opened.values())
