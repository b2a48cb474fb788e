"""The content of comments looks the same inside the style sheets of popular frameworks and themes, light and dark."""

import pytest

from tests.web.test_widget import post_approved
from tests.web.test_widget_looks import LATER

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

DARK = "@media (prefers-color-scheme: dark) { body { color: #dcdcda; background: #16171a } }"
# For each, its rules for the elements of a comment, in our own words, with the values and the weight of the original.
HOSTS = {
    "plain": "",
    "Bootstrap": """
        *, ::before, ::after { box-sizing: border-box } blockquote { margin: 0 0 1rem }
        p { margin-top: 0; margin-bottom: 1rem }
        a { color: rgb(13, 110, 253); text-decoration: none }
        code { font-size: .875em; color: #d63384; word-wrap: break-word }
        pre { display: block; margin-top: 0; margin-bottom: 1rem; overflow: auto; font-size: .875em }
        pre code { font-size: inherit; color: inherit } ol, ul { padding-left: 2rem; margin-bottom: 1rem }
        table { caption-side: bottom; border-collapse: collapse } thead, tbody, tr, td, th { border: 0 solid inherit }
        hr { margin: 1rem 0; border: 0; border-top: 1px solid; opacity: .25 }
        summary { display: list-item; cursor: pointer }
        """,
    "Tailwind": """
        *, ::after, ::before { box-sizing: border-box; margin: 0; padding: 0; border: 0 solid }
        a { color: inherit; text-decoration: inherit } b, strong { font-weight: bolder }
        ol, ul, menu { list-style: none }
        code, kbd, pre { font-family: monospace; font-size: 1em } table { text-indent: 0; border-collapse: collapse }
        hr { height: 0; color: inherit; border-top-width: 1px } summary { display: list-item }
        button, input, select { font: inherit; color: inherit; background: transparent; border-radius: 0 }
        .prose :where(blockquote p:first-of-type):not(:where([class~=not-prose]))::before { content: open-quote }
        .prose :where(code):not(:where([class~=not-prose]))::before { content: "`" }
        .prose :where(code):not(:where([class~=not-prose]))::after { content: "`" }
        """,
    "theme with ids": """
        #content { text-indent: 2em; white-space: pre-wrap; font-weight: 300 }
        #content a { color: #c00; text-decoration: none; border-bottom: 1px solid } #content p { margin: 2em 0 }
        #content blockquote { border: 0; background: #ffd; font-style: italic; padding: 2em }
        #content ul { list-style: none; padding: 0 } #content code { color: #fff; background: #000 }
        #content blockquote::before { content: "\\201c"; position: absolute; font-size: 4em }
        #content li::before { content: "- " } #content a[href^=http]::after { content: " \\2197" }
        #content :is(td, tr) { background: #eee; border: 0 } #content hr { border: 5px solid; opacity: .5 }
        #content :is(button, input) { width: 100%; float: left; background: red } #content label::after { content: ":" }
        #content :is(details, summary) { background: #ffd; padding: 1em; margin: 0 }
        """,
    "Pico": """
        *, ::before, ::after { box-sizing: border-box } blockquote { display: block; margin: 1rem 0; padding: 1rem;
          border-right: none; border-left: .25rem solid #e7eaf0 } blockquote, ol, p, pre, table, ul { color: #373c44;
          font-style: normal; margin-top: 0; margin-bottom: 1rem } :where(dl, ol, ul) { padding-left: 1rem }
        ul li { list-style: square } :where(a:not([role=button])) { color: #0172ad; text-decoration: underline }
        code, kbd, pre, samp { border-radius: .25rem; background: #f3f5f7; color: #646b79; font-size: .875em }
        code { display: inline-block; padding: .375rem } pre { display: block; overflow-x: auto }
        pre > code { display: block; padding: 1rem; background: none } del { color: rgb(193, 60, 55) }
        :where(table) { width: 100%; border-collapse: collapse }
        td, th { padding: .5rem 1rem; border-bottom: 1px solid;
          background-color: #fff } hr { height: 0; margin: 1rem 0; border: 0; border-top: 1px solid #e7eaf0 }
        details { display: block; margin-bottom: 1rem } details summary { line-height: 1rem; list-style-type: none }
        details summary::after { display: block; float: right; width: 1rem; height: 1rem; content: "" }
        details[open] > summary:not([role]):not(:focus) { color: #646b79 }
        """,
    "Water": """
        blockquote { border-left: 4px solid #0096bfab; margin: 1.5em 0; padding: .5em 1em; font-style: italic }
        a { text-decoration: none; color: #0076d1 }
        code, kbd, samp { background: #efefef; color: #000; padding: 2.5px 5px;
          border-radius: 6px; font-size: 1em } pre > code { padding: 10px; display: block; overflow-x: auto }
        table { border-collapse: collapse; margin-bottom: 10px; width: 100%; table-layout: fixed }
        td, th { padding: 6px; text-align: left; vertical-align: top }
        tbody tr:nth-child(even) { background-color: #f7f7f7 }
        hr { border: none; border-top: 1px solid #dbdbdb } ul, ol { padding-left: 40px }
        details { display: flex; flex-direction: column; background-color: #efefef; padding: 10px 10px 0 }
        details[open] { padding: 10px }
        summary { background: #efefef; padding: 10px; margin: -10px; font-weight: bold }
        """,
}
TEXT = """> Partial indexes are smaller than you think.
>
> > Are they?

The [manual](https://example.org/) and `explain`:

```sql
select 1
```

|a|b|
|-|-:|
|1|2|

- [x] done
- plain

1. first

---

~~gone~~ **bold**"""
# A rule of each, with selectors as highlighters have them: the page's own colours stay.
HIGHLIGHTER = ".language-sql .word { color: rgb(0, 128, 0) }"
LOOK = """() => {
  const style = (name, pseudo) => getComputedStyle(document.querySelector(`.ct .ct-text ${name}`), pseudo)
  const ink = style("> p").color, quote = style("blockquote"), pre = style("pre"), cell = style("td")
  const word = Object.assign(document.createElement("span"), { className: "word" })
  document.querySelector(".ct-text .language-sql").append(word)
  const fold = document.querySelector(".ct-fold")
  return {
    quote: [quote.borderInlineStartWidth, quote.borderInlineStartStyle, quote.fontStyle, quote.backgroundColor],
    "the words of a quote have less ink": quote.color != ink,
    "a quote in it has no less": style("blockquote blockquote").color == quote.color,
    link: [style("a").textDecorationLine, style("a").color == ink],
    "code has a ground": style("p code").backgroundColor == pre.backgroundColor && pre.backgroundColor.includes("0.06"),
    code: [style("p code").color == ink, style("p code").fontFamily, style("pre code").backgroundColor],
    highlighted: getComputedStyle(word).color,
    lists: [style("ul").listStyleType, style("ol").listStyleType, style(".ct-task").listStyleType],
    table: [cell.borderTopWidth, cell.borderTopStyle, cell.backgroundColor, style("[align=right]").textAlign],
    region: [style(".ct-table").overflowX, document.querySelector(".ct-table").tabIndex],
    line: [style("hr").borderTopWidth, style("hr").opacity],
    words: [style("strong").fontWeight, style("del").textDecorationLine, style("del").color == ink],
    fold: [getComputedStyle(fold).color == ink, getComputedStyle(fold).margin],
    "signs of the page": [...document.querySelectorAll(".ct *")].filter(one => !one.matches(".ct-text code *"))
      .flatMap(one => [getComputedStyle(one, "::before"), getComputedStyle(one, "::after")])
      .filter(sign => !["none", "normal"].includes(sign.content)).length,
    "first lines": [style("p").textIndent, style("p").whiteSpace],
    buttons: getComputedStyle(document.querySelector(".ct-copy")).backgroundColor,
    hints: getComputedStyle(document.querySelector(".ct-aid code")).color
      == getComputedStyle(document.querySelector(".ct-hint")).color,
    branch: [getComputedStyle(fold.parentNode).padding, getComputedStyle(fold.parentNode).backgroundColor],
  }
}"""
NOTHING = "rgba(0, 0, 0, 0)"
EXPECTED = {
    "quote": ["3px", "solid", "normal", NOTHING],
    "the words of a quote have less ink": True,
    "a quote in it has no less": True,
    "link": ["underline", True],
    "code has a ground": True,
    "code": [True, "ui-monospace, monospace", NOTHING],
    "highlighted": "rgb(0, 128, 0)",
    "lists": ["disc", "decimal", "none"],
    "table": ["1px", "solid", NOTHING, "end"],
    "region": ["auto", 0],
    "line": ["1px", "1"],
    "words": ["700", "line-through", True],
    "fold": [True, "0px 0px 0px 48px"],
    "signs of the page": 0,
    "first lines": ["0px", "normal"],
    "buttons": NOTHING,
    "hints": True,
    "branch": ["0px", NOTHING],
}


@pytest.mark.parametrize("host", HOSTS)
async def test_the_content_of_comments_looks_right_in_every_framework(at_post, host):
    style = f"<style>{DARK}{HOSTS[host]}{HIGHLIGHTER}</style>"
    mia, service = await at_post(head=f"{style}<article id=content class=prose>")
    first = await post_approved(service, mia, comment=TEXT)
    for text in ("One.", "Two."):
        await post_approved(service, mia, comment=text, parent=first.id)
    await mia.goto(LATER)
    await mia.locator(".ct-table").wait_for()
    for scheme in ("light", "dark"):
        await mia.emulate_media(color_scheme=scheme)
        assert await mia.evaluate(LOOK) == EXPECTED, scheme
