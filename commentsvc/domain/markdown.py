"""A comment's text as HTML that is safe on anybody's page.

CommonMark with bare links and strike-through; no raw HTML (it is shown as it was typed), no images,
no headings. Rendered once, when a comment is written.
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
_RENDER.hardbreaks = True  # people who press Enter mean it

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
# Controls that HTML and XML do not allow (XML 1.0, 2.2); the kept source still has them.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


# Nobody reads further in than this; and thousands of quotations within quotations cost a second to clean.
DEEPEST: Final = 20
_QUOTATION: Final = re.compile("<(/?)blockquote>")


def render(text: str) -> str:
    """Markdown as HTML of our own few elements; linear in the length of the text. Something is always shown."""
    text = _ILLEGAL.sub("", text)
    html = comrak.render_markdown(text, extension_options=_EXTENSIONS, render_options=_RENDER)
    if not _too_deep(html):
        html = _CLEANER.clean(_IMAGE.sub(r"\1", _HEADING.sub(_bold_paragraph, html))).strip()
        if html:
            return html
    return f"<p>{_escaped(text.strip())}</p>"  # as it was typed: absurd nesting, or link definitions alone


def _too_deep(html: str) -> bool:
    depth = 0
    for tag in _QUOTATION.finditer(html):
        depth += -1 if tag[1] else 1
        if depth > DEEPEST:
            return True
    return False


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>")


def _bold_paragraph(heading: re.Match[str]) -> str:
    return "</strong></p>" if heading[1] else "<p><strong>"
