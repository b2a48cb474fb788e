"""Operators learn what is wrong with the settings of the external check before anything is sent."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.config.checks import find_faults
from commentsvc.config.environment import read_config
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
SHORT = "whsec_" + base64.b64encode(b"short").decode()


def faults(**settings):
    given = {"verdict_url": "https://check.example/", "verdict_secret": SECRET} | settings
    return [fault for fault in find_faults(Config(**given)) if "VERDICT" in fault]


ALLOWED = [
    "https://check.example/verdict?x=1",
    *("http://127.0.0.1:8090/", "http://[::1]:8090", "http://10.0.0.7/", "http://localhost:8090"),
    *("http://checker:8090/", "http://check.internal/", "http://nas.local/", "http://[fd00::1]/"),
]


@pytest.mark.parametrize("url", ALLOWED)
def test_an_address_is_encrypted_or_in_a_private_network(url):
    assert faults(verdict_url=url) == []


WRONG = {
    "http://check.example/": "unencrypted",
    "http://8.8.8.8/": "unencrypted",
    "check.example": "must be one address",
    "https://": "must be one address",
    "https://a.example https://b.example": "must be one address",
    "ftp://check.example/": "must be one address",
    "https://check.example:99999/": "must be one address",
    "https://[::1": "must be one address",
    "https://check.example/#part": "must be one address",
    "https://user:very-secret@check.example/": "no user name",
}


@pytest.mark.parametrize("url", WRONG)
def test_another_address_is_refused_with_its_cure(url):
    [fault] = faults(verdict_url=url)
    assert WRONG[url] in fault
    assert "very-secret" not in fault


@pytest.mark.parametrize("secret", ["", "secret", SHORT, SECRET.removeprefix("whsec_"), "whsec_not Base64!"])
def test_a_secret_must_be_long_and_the_fault_shows_how_to_make_one(secret):
    [fault] = faults(verdict_secret=secret)
    assert "openssl rand" in fault
    assert secret not in fault or not secret


@given(st.text())
def test_no_address_makes_the_checks_fail(text):
    for fault in faults(verdict_url=text):
        assert "VERDICT_URL" in fault


@pytest.mark.parametrize("value", ["phone", "email,network", "email phone"])
def test_what_is_sent_must_be_known(value):
    with pytest.raises(ConfigurationError, match="VERDICT_SEND"):
        read_config({"COMMENTSVC_VERDICT_SEND": value})


def test_without_an_address_nothing_is_checked():
    assert faults(verdict_url="", verdict_secret="") == []
