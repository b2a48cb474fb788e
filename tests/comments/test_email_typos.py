"""People are asked about likely typing errors in their email address."""

import pytest

from commentsvc.domain.email_typos import KNOWN, suggest_address


@pytest.mark.parametrize(
    "typed", ["gmial.com", "gmal.com", "gmaill.com", "gnail.com", "gmail.co", "gmail.con", "GMAIL.CMO", "agmail.com"]
)
def test_a_domain_with_one_error_is_recognised(typed):
    assert suggest_address(f" Mia@{typed}") == "Mia@gmail.com"


@pytest.mark.parametrize(
    "domain", [*KNOWN, "example.com", "yahoo.dk", "outlook.dk", "web.de", "gmx.net", "gmail", "", "proton.ch", "x"]
)
def test_other_domains_are_left_alone(domain):
    assert suggest_address(f"mia@{domain}") is None
    assert suggest_address(domain) is None
