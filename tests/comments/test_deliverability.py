"""Addresses are checked by DNS: a domain that does not answer costs one commenter one short wait."""

import asyncio
import socket

import dns.message
import dns.resolver
import pytest

from commentsvc.comments import deliverability, post
from commentsvc.domain.errors import Invalid
from tests.comments.test_post import everything_in
from tests.conftest import draft, visit


@pytest.fixture
def silent(monkeypatch):
    """The only DNS server: it answers nothing. Return its socket, which holds the questions."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        monkeypatch.setattr(deliverability, "SECONDS", 0.05)
        yield server


def domains_asked(server):
    domains = []
    while True:
        try:
            question = dns.message.from_wire(server.recv(4096)).question[0]
        except BlockingIOError:
            return domains
        domains.append(question.name.to_text(omit_final_dot=True))


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_domain_that_does_not_answer_is_asked_once_for_many_commenters(served, silent, at_once):
    service = await served(deliverability="on")

    def send(number):
        return post.post_comment(service, draft(comment=f"Number {number}"), visit(address=f"203.0.{number}.1"))

    if at_once:
        await asyncio.gather(*map(send, range(30)))
    else:
        for number in range(30):
            await send(number)
    assert len(await everything_in(service, "comment")) == 30
    assert domains_asked(silent) == ["example.com"]


async def test_a_domain_is_asked_again_after_a_while(served, silent, monkeypatch):
    service = await served(deliverability="on")
    monkeypatch.setitem(deliverability.KEPT, None, 0)
    for text in ("One", "Two"):
        await post.post_comment(service, draft(comment=text), visit())
    assert domains_asked(silent) == ["example.com"] * 2


async def test_a_domain_that_answered_is_not_asked_again(served, name_server):
    service = await served(deliverability="on")
    name_server.known.add("blog.example")
    for _ in range(2):
        with pytest.raises(Invalid):
            await post.post_comment(service, draft(email="mia@blgo.example"), visit())
    await post.post_comment(service, draft(email="mia@blog.example"), visit())
    await post.post_comment(service, draft(email="ben@blog.example", comment="Another"), visit())
    assert name_server.asked == ["blgo.example", "blog.example"]
