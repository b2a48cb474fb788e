"""Markdown of comments, rendered to HTML that is safe on any page.

CommonMark with bare links and strike-through. Raw HTML is shown as typed; images and headings are removed. A comment
is rendered once, when it is saved.
"""

import re
from typing import Final

import comrak
import nh3

_EXTENSIONS: Final = comrak.ExtensionOptions()
_EXTENSIONS.autolink = True
_EXTENSIONS.strikethrough = True
_RENDER: Final = comrak.RenderOptions()
_RENDER.escape = True
_RENDER.hardbreaks = True  # a line break in the form is a line break on the page

# fmt: off
TAGS: Final = {
    "a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "ul",
}
# fmt: on
_CLEANER: Final = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=set(),
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow ugc noopener",
)

# A heading in a comment would break the outline of the page around it.
_HEADING: Final = re.compile(r"<(/?)h[1-6]>")
_IMAGE: Final = re.compile(r'<img src="[^"]*" alt="([^"]*)"(?: title="[^"]*")? />')
# Characters that HTML and XML do not allow (XML 1.0, 2.2). The stored source keeps them.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# Sanitising thousands of nested quotations takes a second.
MAX_QUOTE_DEPTH: Final = 20
_BLOCKQUOTE: Final = re.compile("<(/?)blockquote>")


def render(text: str) -> str:
    """Return Markdown as HTML with the elements in ``TAGS`` only, never empty. Time is linear in the text's length."""
    text = _ILLEGAL.sub("", text)
    html = comrak.render_markdown(text, extension_options=_EXTENSIONS, render_options=_RENDER)
    if not _is_nested_too_deep(html):
        html = _CLEANER.clean(_IMAGE.sub(r"\1", _HEADING.sub(_bold_paragraph, html))).strip()
        if html:
            return html
    return f"<p>{_escape(text.strip())}</p>"  # nested too deep, or nothing to show, such as link definitions only


def _is_nested_too_deep(html: str) -> bool:
    depth = 0
    for tag in _BLOCKQUOTE.finditer(html):
        depth += -1 if tag[1] else 1
        if depth > MAX_QUOTE_DEPTH:
            return True
    return False


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>")


def _bold_paragraph(heading: re.Match[str]) -> str:
    return "</strong></p>" if heading[1] else "<p><strong>"
