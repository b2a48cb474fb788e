"""Markdown of comments, rendered to HTML that is safe on any page.

CommonMark with bare links, strike-through, tables and tasks. Raw HTML is shown as typed; images become links, headings
bold text, and the boxes of tasks signs.
Readers see everything that was typed, except marks that Markdown itself defines. A comment is rendered once, when it is
saved.
"""

import html
import re
from typing import Final

import comrak
import nh3

from commentsvc.domain.bidi import isolate_controls
from commentsvc.domain.links import link_target
from commentsvc.domain.markdown_source import ILLEGAL, SHIELD, TILDE, Source, read_source
from commentsvc.domain.markdown_tables import can_render_tables
from commentsvc.domain.visible_text import is_blank, plain_text

_RENDER: Final = comrak.RenderOptions()
_RENDER.escape = True
_RENDER.unsafe_ = True  # keeps all link targets: ``_Writer`` shows those that are not allowed as text
_RENDER.hardbreaks = True  # a line break in the form is a line break on the page
_RENDER.full_info_string = True

# fmt: off
TAGS: Final = {
    "a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
}
# fmt: on
_LANGUAGE: Final = re.compile("[a-z][a-z0-9+#._-]{0,15}")
TASK: Final = "ct-task"  # class of a list item with a sign of its own
DONE, OPEN = "☑", "☐"
_ALIGNED: Final = re.compile("left|center|right")
# The values of attributes besides those of links.
_VALUES: Final = {
    ("code", "class"): re.compile(f"language-{_LANGUAGE.pattern}"),
    ("li", "class"): re.compile(TASK),
    ("td", "align"): _ALIGNED,
    ("th", "align"): _ALIGNED,
}


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    allowed = _VALUES.get((tag, name))
    return value if allowed is None or allowed.fullmatch(value) else None


_CLEANER: Final = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=set(),
    attributes={
        "a": {"href", "title"},
        "code": {"class"},
        "li": {"class"},
        "ol": {"start"},
        "td": {"align"},
        "th": {"align"},
    },
    attribute_filter=_keep_attribute,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow ugc noopener",
)

# A heading in a comment would break the outline of the page around it.
_HEADING: Final = re.compile(r"<(/?)h[1-6]>")
# Sanitising thousands of nested quotations takes a second.
MAX_QUOTE_DEPTH: Final = 20
_BLOCKQUOTE: Final = re.compile("<(/?)blockquote>")
_MAX_RENDERINGS: Final = 3  # before all link definitions are shown as typed
# Without the characters that ``Source.expand`` replaces.
_ILLEGAL_IN_OUTPUT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x82\x85\x87-\x9f\ufffe\uffff]")
_PIECE: Final = re.compile(r'<(/?[a-z0-9]+)((?:[^>"]|"[^"]*")*)>|([^<]+)')
_ATTRIBUTE: Final = re.compile(r' ([a-z-]+)="([^"]*)"')
_WEB_IMAGE: Final = re.compile(r"https?://|www\.", re.IGNORECASE)  # ``cat.png`` is a file, not a host
_LINK_WITHOUT_TARGET: Final = re.compile(r'<a(?: title="[^"]*")? rel="[^"]*">(.*?)</a>', re.DOTALL)


def render(text: str) -> str:
    """Return Markdown as HTML with the elements in ``TAGS`` only, never blank. Time is linear in the text's length."""
    source = read_source(text)
    targets: list[str] = []
    rendered = _render(source, targets)
    if not _is_nested_too_deep(rendered):
        written = _Writer(source, targets).write(_HEADING.sub(_bold_paragraph, rendered))
        cleaned = _LINK_WITHOUT_TARGET.sub(r"\1", _CLEANER.clean(written)).strip()
        if not is_blank(cleaned):
            return isolate_controls(cleaned)
    # nested too deep, or nothing to show, such as marks of an empty list only
    return isolate_controls(f"<p>{_escape(source.expand_plain(source.text).strip())}</p>")


def render_raw(text: str, *, escapes: bool) -> str:
    """Return Markdown as HTML that is not sanitised, so that a program can read it. ``escapes``: tags become text."""
    extensions, options = comrak.ExtensionOptions(), comrak.RenderOptions()
    extensions.strikethrough = extensions.table = True
    options.hardbreaks = options.unsafe_ = True
    options.escape = escapes
    return str(comrak.render_markdown(text, extension_options=extensions, render_options=options))


def sanitise(html: str) -> str:
    """Return HTML with the elements in ``TAGS`` only. What ``render`` returned stays as it is."""
    return isolate_controls(_LINK_WITHOUT_TARGET.sub(r"\1", _CLEANER.clean(html)).strip())


def _render(source: Source, targets: list[str]) -> str:
    """Return the renderer's HTML, in which each link leads to its number in ``targets``.

    Definitions that no link uses disappear from the first HTML, so they are rendered again as text.
    """
    options = comrak.ExtensionOptions()
    options.strikethrough = options.tasklist = True
    options.table = can_render_tables(source.text)
    options.cjk_friendly_emphasis = True
    options.link_url_rewriter = options.image_url_rewriter = lambda target: _number(target, targets)
    used: set[int] | None = None
    for rendering in range(_MAX_RENDERINGS + 1):
        targets.clear()
        source.definitions.clear()
        prepared = source.prepare(used)
        rendered = comrak.render_markdown(prepared, extension_options=options, render_options=_RENDER)
        defined = set(source.definitions)
        used = {number for number in defined if f"\x83{number}\x84" in targets}
        if used == defined:
            break
        if rendering == _MAX_RENDERINGS - 1:
            used = set()
    return rendered


def _number(target: str, targets: list[str]) -> str:
    targets.append(target)
    return str(len(targets) - 1)


class _Writer:
    """Replaces the references in the renderer's HTML, and decides which links stay links."""

    def __init__(self, source: Source, targets: list[str]) -> None:
        self._source = source
        self._targets = targets
        self._output: list[str] = []
        self._link: tuple[int, dict[str, str]] | None = None  # where the open link begins, and its attributes
        self._images: list[str] = []  # in the open link
        self._in_code = False
        self._lists: list[str] = []  # that are open
        self._sign = ""  # of the task that begins
        self._code = 0, ""  # where the open code begins, and the text after its fence

    def write(self, rendered: str) -> str:
        """Return the HTML. The result is not sanitised."""
        rendered = _ILLEGAL_IN_OUTPUT.sub("", rendered).replace(TILDE, "~")
        for tag, attributes, text in _PIECE.findall(rendered):
            if not text:
                self._tag(tag, attributes)
            elif self._sign:
                self._begin_task(text)
            else:
                self._output.append(self._text(text))
        return ILLEGAL.sub("", "".join(self._output))

    def _tag(self, tag: str, attributes: str) -> None:
        values = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(attributes)}
        sign, self._sign = self._sign, ""
        if sign and tag != "p":
            self._output.append(sign)
        if tag == "a":
            self._link = len(self._output), values
        elif tag == "/a" and self._link:
            begin, opened = self._link
            self._output[begin:] = [self._link_to(opened, "".join(self._output[begin:])), *self._images]
            self._link, self._images = None, []
        elif tag == "img":
            self._image(values)
        elif tag == "input":
            self._task(values)
        elif tag == "code":
            self._in_code = True
            info = self._written_info(values)
            self._output.append(f'<code class="language-{info}">' if _LANGUAGE.fullmatch(info) else "<code>")
            self._code = len(self._output), info
            self._output.append(self._info(values))
        elif tag == "/code":
            self._in_code = False
            begin, info = self._code
            is_empty = not "".join(self._output[begin:]).strip()
            if is_empty:
                self._output[begin - 1] = "<code>"  # its text is no name of a language
                self._output.append(html.escape(info))
            self._output.append("</code>")
        else:
            self._list(tag)
            self._output.append(f"<{tag}{attributes}>{sign if tag == 'p' else ''}")

    def _list(self, tag: str) -> None:
        if tag in {"ul", "ol"}:
            self._lists.append(tag)
        elif tag in {"/ul", "/ol"} and self._lists:
            self._lists.pop()

    def _task(self, values: dict[str, str]) -> None:
        """Replace the box of a task by a sign; in an ordered list, the item keeps its number."""
        if self._output[-1:] == ["<li>"] and self._lists[-1:] == ["ul"]:
            self._output[-1] = f'<li class="{TASK}">'
        self._sign = f"{DONE if 'checked' in values else OPEN} "

    def _begin_task(self, text: str) -> None:
        if text.strip():
            self._output.append(self._sign + self._text(text.lstrip()))
            self._sign = ""

    def _text(self, text: str) -> str:
        if "\x80" not in text and "\x83" not in text:
            return text
        shown: list[str] = []
        for part, is_link in self._source.expand(text):
            if not is_link:
                shown.append(part)
            elif self._in_code:
                shown.append(html.escape(part))
            else:
                plain = html.unescape(part)
                words = html.escape(plain)
                shown.append(words if self._link else f'<a href="{html.escape(link_target(plain) or "")}">{words}</a>')
        return "".join(shown)

    def _info(self, values: dict[str, str]) -> str:
        """Return the text after the opening fence if it is more than the name of a language."""
        written = self._written_info(values)
        return "" if not written or _LANGUAGE.fullmatch(written) else f"{html.escape(written)}\n"

    def _written_info(self, values: dict[str, str]) -> str:
        language = values.get("class", "").removeprefix("language-")
        return self._source.expand_plain(f"{language} {values.get('data-meta', '')}").strip()

    def _image(self, values: dict[str, str]) -> None:
        alternative = html.escape(self._source.expand_plain(values.get("alt", "")))
        image = self._link_to({**values, "href": values["src"]}, alternative, mark="!")
        if not self._link:
            self._output.append(image)
            return
        self._output.append(alternative)
        self._images.append(f" {image}")

    def _target(self, number: str) -> str:
        written = self._targets[int(number)]
        if written.startswith("\x83"):
            return self._source.target(written)
        # The renderer has decoded the rest of the target already.
        parts = self._source.expand(written)
        plain = "".join(html.unescape(part) if is_link else part for part, is_link in parts)
        return plain.replace(SHIELD, "").replace(TILDE, "~")

    def _link_to(self, values: dict[str, str], content: str, mark: str = "") -> str:
        """Return a link, or, if links must not lead to its target, both as text."""
        written = self._target(values["href"])
        target = link_target(written) if not mark or _WEB_IMAGE.match(written) else None
        shown_title = html.escape(self._source.expand_plain(values.get("title", "")))
        if target is None:
            if written and plain_text(content) == written and not mark:
                return f"&lt;{content}&gt;"
            title = f" &quot;{shown_title}&quot;" if shown_title else ""
            return f"{mark}[{content}]({html.escape(written)}{title})"
        title = f' title="{shown_title}"' if shown_title else ""
        shown = html.escape(written) if is_blank(content) else content
        return f'<a href="{html.escape(target)}"{title}>{shown}</a>'


def _is_nested_too_deep(rendered: str) -> bool:
    depth = 0
    for tag in _BLOCKQUOTE.finditer(rendered):
        depth += -1 if tag[1] else 1
        if depth > MAX_QUOTE_DEPTH:
            return True
    return False


def _escape(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")


def _bold_paragraph(heading: re.Match[str]) -> str:
    return "</strong></p>" if heading[1] else "<p><strong>"
