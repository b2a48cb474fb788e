"""Rendering of mails."""

from functools import cache
from typing import Any, Final

import jinja2

from commentsvc.config.settings import Config
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import render_template

TEXT_COLUMNS: Final = 72


def compose(template: str, locale: Locale, config: Config, **values: Any) -> tuple[str, str]:
    """Return a mail as plain text and as HTML, from ``mail/NAME.txt`` and ``mail/NAME.html``.

    The text is not escaped; its templates translate with ``t``, which takes the place of ``_``.
    """
    values |= {"config": config}
    html = render_template(f"mail/{template}.html", locale, config, **values)
    text = _text_templates().get_template(f"mail/{template}.txt")
    words = {"locale": locale, "own_url": config.own_url, "base": config.base_path}
    return text.render(words | values), html


@cache
def _text_templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("commentsvc.web"),
        autoescape=False,  # noqa: S701 -- plain text
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
