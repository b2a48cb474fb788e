"""Keep words out that make a text hard to read: in documents, pages, errors, reasons, help and the OpenAPI document."""

import argparse
import ast
import re

import msgspec
import pytest

from commentsvc.cli.parser import build_parser
from commentsvc.domain.errors import Refusal
from commentsvc.domain.reasons import TEMPLATES, Plural
from commentsvc.moderation import wording
from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES
from commentsvc.web.server import problems
from tests.project.test_documents import DOCUMENTS, PACKAGE, named

# A reader at level B1 does not know these, or has to read the sentence twice. CONTRIBUTING.md shows better ones.
HARD_WORDS = re.compile(
    r"\b(?:meanwhile|whoever|whomever|whatsoever|whence|thereof|hereby|herein|henceforth|hearken|heed|anew|thrice)\b"
    r"|\b(?:(?:is|are|was|were) none|of use|of (?:ours|yours|theirs)|one's own|in force|for good)\b"
    r"|\b(?:becom(?:es?|ing)|became|comes?|came) of\b"
    r"|\btakes? no more\b|\btaken here\b|\bmay (?:no more|not be\b.*\bno more)\b"
    r"|\bstands?\b|\bgravest\b|\bveil(?:ed|s)?\b|\bon the past\b"
    r"|(?:^|[.:;] )(?:What|Who|Whoever|Of|That) [a-z]",
    re.IGNORECASE | re.MULTILINE,
)
# A text that may contain one of them, and why.
EXCEPTIONS = {
    "Whether a comment": "not matched: kept as an example of the form of an entry",
}
