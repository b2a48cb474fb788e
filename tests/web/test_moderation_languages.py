"""Moderators read every text of the moderation page in their language."""

import gettext
import re
from html.parser import HTMLParser

from commentsvc.access import moderators
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.moderation import actions, undo
from commentsvc.moderation.schemas import Action
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.pages import i18n
from commentsvc.web.pages.i18n import Locale
from tests.conftest import EVERYTHING, post, visit

# Texts that no language changes: names, addresses, values, and what commenters wrote.
SAME = re.compile(
    r"\S*[@/]\S*|commentsvc.*|\S+\.example|\b(?:blog|owner|operator|settings|Ana|Buy|pills|links|newcomer|ms|Enter|Deutsch|UTC|API"
    r"|[a-zX]|S|\d+T\S+)\b"
)
SHOWN_ATTRIBUTES = {"aria-label", "placeholder", "title", "alt"}


class Marking(gettext.NullTranslations):
    """A language in which every translated text is between brackets."""

    def gettext(self, message):
        return f"⟦{message}⟧"

    def ngettext(self, singular, plural, number):
        return f"⟦{singular if number == 1 else plural}⟧"


class Texts(HTMLParser):
    """The texts of a page that people read or hear."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = [], []

    def handle_starttag(self, tag, attributes):
        self.found += [value or "" for name, value in attributes if name in SHOWN_ATTRIBUTES]
        if tag not in {"input", "meta", "link", "br", "button"} or tag == "button":
            self.inside.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        quoted = any("lang" in given and given["lang"] != "de" for _, given in self.inside)
        if not quoted and self.inside and self.inside[-1][0] not in {"script", "style", "textarea"}:
            self.found.append(data)


def untranslated(html):
    page = Texts()
    page.feed(html)
    text = "\n".join(page.found)
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:  # a translated text may be inside another one
        text = shorter
    return [left for line in text.split("\n") if re.search(r"[A-Za-z]", left := SAME.sub("", line))]


async def test_a_moderator_reads_no_english_in_another_language(client, service, monkeypatch):
    monkeypatch.setattr(i18n, "_load", lambda _lang: Locale("de", Marking()))
    await moderators.add_moderator(service, "owner", None, [])
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="pills"))
    shown = await post(service, "Ana", name="Ana")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[shown]))
    await reports.report_comment(service, shown, NewReport(reason="Buy"), visit(address="192.0.2.9"))
    held = await post(service, "Buy pills https://shop.example", parent=shown, name="Ana", email="mia@b.example")
    for number in range(2):
        await post(service, f"Buy {number}", name="Ana", address=f"203.0.113.{number}")
    spam = await post(service, "Buy pills", name="Ana")
    done = await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[spam], note="Buy"))
    undone = await undo.undo_action(service, EVERYTHING, done.id)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[spam]))

    headers = {"Sec-Fetch-Site": "same-origin"}
    link = (await moderators.create_sign_in_link(service, "owner")).partition("8080")[2]
    pages = {path: await (await client.get(path)).text() for path in ("/moderate", link, "/sign-in/x")}
    await client.post(link, headers=headers)
    queue = await (await client.get("/moderate", headers=headers)).text()
    (thread,) = set(re.findall(r"/moderate/threads/([0-9a-f-]{36})", queue))
    (rule, *_) = (await manage.list_rules(service, EVERYTHING, manage.RuleQuery())).rules
    for path in (
        *("", f"?done={done.id}", f"?done={undone.id}", "?status=reported", "?status=spam", "?status=any&q=pills"),
        *("?status=trash", "?status=approved", f"/comments/{held}", f"/comments/{shown}", f"/comments/{spam}"),
        *(f"/comments/{held}/ban", "/threads", f"/threads/{thread}", "/rules", f"/rules/{rule.id}", "/audit"),
        *("/account", "/sites", "/comments/nothing", "?order=wrong", "?sealed=x"),
    ):
        pages[f"/moderate{path}"] = await (await client.get(f"/moderate{path}", headers=headers)).text()
    assert {path: left for path, html in pages.items() if (left := untranslated(html))} == {}
    assert all('<html lang="de"' in html for html in pages.values())
