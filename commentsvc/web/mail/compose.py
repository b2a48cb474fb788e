"""Rendering of mails.

A mail NAME is two templates, ``mail/NAME.txt`` and ``mail/NAME.html``, which extend ``mail/base.txt`` and
``mail/base.html``. In the text, each paragraph is one line: it is wrapped at the end. Texts and HTML translate with
``_`` and ``ngettext``; in the text nothing is escaped. The text has two filters more: ``{{ words | quote }}`` puts
``> `` before each line, and ``{{ title | line }}`` joins a text of other people to one line.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import jinja2
from markupsafe import Markup

from commentsvc.config.settings import Config
from commentsvc.domain.columns import text_width, wrap_text
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import render_template

TEXT_COLUMNS: Final = 72
SIGNATURE: Final = "-- "  # mail programs show less of what follows it (RFC 3676, 4.3)
# The beginning of a line that each of its rows keeps: a quote, or the sign of a list.
_BEGINNING: Final = re.compile("((?:> )*)(- )?")


def compose(template: str, locale: Locale, config: Config, **values: Any) -> tuple[str, str]:
    """Return a mail as plain text and as HTML, from ``mail/NAME.txt`` and ``mail/NAME.html``."""
    html = render_template(f"mail/{template}.html", locale, config, **values)
    text = _text_templates().get_template(f"mail/{template}.txt")
    words = {
        "_": locale.plain_gettext,
        "ngettext": locale.plain_ngettext,
        "locale": locale,
        "own_url": config.own_url,
        "base": config.base_path,
    }
    return wrap_mail(text.render(words | values)), html


def wrap_mail(text: str) -> str:
    """Return a text with lines of at most ``TEXT_COLUMNS``, and no more than one blank line between paragraphs.

    Words are not broken, so that addresses can be clicked. The rows of a quote begin like its first one.
    """
    lines = [row for line in text.strip().split("\n") for row in _wrap_line(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _wrap_line(line: str) -> Iterator[str]:
    if line == SIGNATURE:
        yield line
        return
    beginning = _BEGINNING.match(line)
    quote, item = (beginning[1], beginning[2] or "") if beginning else ("", "")
    rows = wrap_text(line[len(quote + item) :].strip(), TEXT_COLUMNS - text_width(quote + item), breaks_words=False)
    for number, row in enumerate(rows):
        yield (quote + (" " * len(item) if number else item) + row).rstrip()


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _join_lines(text: str) -> str:
    return " ".join(text.split())


@cache
def _text_templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commentsvc.web"),
        autoescape=False,  # noqa: S701 -- plain text
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        finalize=lambda value: value.unescape() if isinstance(value, Markup) else value,  # such as a formatted time
    )
    environment.filters |= {"quote": _quote, "line": _join_lines}
    return environment
