"""Every mail by its name. ``app.py`` gives these to the worker."""

from collections.abc import Mapping
from typing import Final

from commentsvc.delivery.mail import Renderer
from commentsvc.web.mail import trial

RENDERERS: Final[Mapping[str, Renderer]] = {
    "test": trial.render_test,
}
