"""Blanks in a page that many people get: each gets values of their own for the hidden fields of the form."""

import re
import secrets
from collections.abc import Sequence
from typing import Final

from commentsvc.comments.form import create_form_token
from commentsvc.service import Service

# They stand in the page until it is sent. Nobody else can know them, so no comment contains one.
SUBMISSION: Final = secrets.token_hex(16)
STARTED: Final = secrets.token_hex(16)


_BLANK: Final = re.compile(f"({SUBMISSION}|{STARTED})".encode())


def split_at_blanks(page: bytes) -> list[bytes]:
    """Return a page in pieces; each blank is a piece. Looking for blanks in a long page takes longer than all else."""
    return _BLANK.split(page)


def fill_blanks(service: Service, pieces: Sequence[bytes]) -> bytes:
    """Return a page with a submission id and the present time in the place of its blanks."""
    values = {SUBMISSION.encode(): service.new_id().encode(), STARTED.encode(): create_form_token(service).encode()}
    return b"".join([values.get(piece, piece) for piece in pieces])
