"""Build a small blog with every generator of docs/embedding.md, and read and write comments in it with Chromium.

Run ``make generators``, or ``python -m tests.generators hugo pelican`` for some. It needs npm, several minutes and
several gigabytes, so no test runs it. The code blocks come unchanged from the document; this module adds the other
files of each blog. Jekyll and Ghost themselves are not built: npm libraries for their template languages (Liquid,
Handlebars) render the blocks.
"""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

from tests.chromium import ARGUMENTS, CHROMIUM
from tests.project.test_documents import ROOT, SERVICE, Running, blocks_of, serving

EMBEDDING = ROOT / "docs" / "embedding.md"
PATIENCE = 20_000


@dataclass(frozen=True)
class Generator:
    """How to build a blog with one generator: its own files, and the commands to run in its folder."""

    heading: str
    files: dict[str, str]
    build: str
    site: str  # the folder that is served
    post: str = "/a-post/"
    npm: str = ""
    pip: str = ""
    also: str = ""  # path of another post, which the page links to and shows without a reload
    blocks: slice = field(default_factory=lambda: slice(None))
    script: bool = True
    moves: dict[str, str] = field(default_factory=dict)  # other places for files of the document


PACKAGE = '{"name": "blog", "private": true, "type": "module"}'
MARKDOWN = "---\ntitle: A post\nlayout: post.njk\ncomments: true\nslug: a-post\ndate: 2026-11-01\n---\n\nWords.\n"
PELICAN = "Title: A post\nDate: 2026-11-01\nSlug: a-post\n\nWords.\n"
HUGO_LAYOUT = '<!doctype html><html lang="en"><h1>{{ .Title }}</h1>{{ .Content }}{{ partial "comments.html" . }}'
HUGO = {
    "hugo.toml": 'baseURL = "BLOG/"\ntitle = "Blog"\ndisableKinds = ["taxonomy", "rss"]\n',
    "layouts/_default/single.html": HUGO_LAYOUT,
    "layouts/_default/list.html": "<!doctype html>",
    "content/a-post.md": MARKDOWN,
}
NEXT_PAGE = """\
import Link from 'next/link'
import { Comments } from '../../components/comments.jsx'
export const dynamicParams = false
export const generateStaticParams = () => [{ slug: 'a-post' }, { slug: 'b-post' }]
export default async function Page({ params }) {
  const { slug } = await params
  return <main><h1>{slug}</h1><Link href="/b-post/">Another post</Link><Comments thread={`/${slug}`} /></main>
}
"""
RENDER_JEKYLL = """\
import { Liquid } from 'liquidjs'
import { readFileSync, mkdirSync, writeFileSync } from 'node:fs'
const engine = new Liquid({ root: '_includes', jekyllInclude: true, dynamicPartials: false })
const layout = readFileSync('_layouts/post.html', 'utf8')
mkdirSync('_site/a-post', { recursive: true })
writeFileSync('_site/a-post/index.html', engine.parseAndRenderSync(layout, { content: '<p>Words.</p>' }))
"""
RENDER_GHOST = """\
import Handlebars from 'handlebars'
import { readFileSync, mkdirSync, writeFileSync } from 'node:fs'
const template = Handlebars.compile(readFileSync('post.hbs', 'utf8'))
mkdirSync('site/a-post', { recursive: true })
const words = new Handlebars.SafeString('<p>Words.</p>')
writeFileSync('site/a-post/index.html', '<!doctype html>' + template({ post: { content: words } }))
"""

GENERATORS = {
    "html": Generator(
        "The widget",
        {},
        'mkdir -p site/a-post && (echo "<!doctype html><h1>A post</h1>"; cat block.html) > site/a-post/index.html',
        "site",
        blocks=slice(1),
        moves={"": "block.html"},
    ),
    "hugo": Generator("Hugo", HUGO, "hugo --quiet", "public", pip="hugo", blocks=slice(1)),
    "hugo-build-time": Generator(
        "Hugo",
        HUGO,
        "HUGO_SECURITY_HTTP_URLS=.* hugo --quiet",
        "public",
        pip="hugo",
        blocks=slice(1, None),
        script=False,
    ),
    "jekyll": Generator(
        "Jekyll",
        {
            "package.json": PACKAGE,
            "render.js": RENDER_JEKYLL,
            "_layouts/post.html": "<!doctype html>{{ content }}{% include comments.html %}",
        },
        "node render.js",
        "_site",
        npm="liquidjs@10",
    ),
    "eleventy": Generator(
        "Eleventy",
        {"package.json": PACKAGE, "a-post.md": MARKDOWN},
        "npx eleventy --quiet",
        "_site",
        npm="@11ty/eleventy@3",
    ),
    "astro": Generator(
        "Astro",
        {
            "package.json": PACKAGE,
            "src/pages/a-post.astro": "---\nimport Comments from '../components/Comments.astro'\n---\n"
            '<!doctype html><html lang="en"><body><h1>A post</h1><Comments /></body></html>',
        },
        "npx astro build --silent",
        "dist",
        npm="astro@5",
    ),
    "docusaurus": Generator(
        "Docusaurus",
        {
            "package.json": '{"name": "blog", "private": true}',
            "docusaurus.config.js": "module.exports = {title: 'Blog', url: 'BLOG', baseUrl: '/', trailingSlash: true,"
            " presets: [['classic', {docs: false, blog: {routeBasePath: '/'}}]]}",
            "blog/2026-11-01-a.md": "---\nslug: a-post\ntitle: A post\n---\n\nWords. [Another post](/b-post/)\n",
            "blog/2026-11-02-b.md": "---\nslug: b-post\ntitle: Another post\n---\n\nWords.\n",
        },
        "npx docusaurus build",
        "build",
        npm="@docusaurus/core@3 @docusaurus/preset-classic@3 react@19 react-dom@19 @mdx-js/react@3",
        also="/b-post",
    ),
    "vitepress": Generator(
        "VitePress",
        {
            "package.json": PACKAGE,
            "a-post.md": "# A post\n\nWords. [Another post](./b-post)\n",
            "b-post.md": "# Another post\n\nWords.\n",
        },
        "npx vitepress build",
        ".vitepress/dist",
        post="/a-post.html",
        npm="vitepress@1 vue@3",
        also="/b-post.html",
    ),
    "mkdocs": Generator(
        "MkDocs Material",
        {"docs/a-post.md": MARKDOWN, "docs/index.md": "# Blog\n", "more.yml": "site_name: Blog\n"},
        "cat more.yml >> mkdocs.yml && mkdocs build --quiet",
        "site",
        pip="mkdocs-material",
    ),
    "pelican": Generator(
        "Pelican",
        {
            "content/a.md": PELICAN,
            "more.py": "SITENAME = 'Blog'\nSITEURL = ''\nTIMEZONE = 'UTC'\nDEFAULT_LANG = 'en'\n"
            "ARTICLE_URL = '{slug}/'\nARTICLE_SAVE_AS = '{slug}/index.html'\n"
            "FEED_ALL_ATOM = CATEGORY_FEED_ATOM = TRANSLATION_FEED_ATOM = None\n",
        },
        "cat more.py >> pelicanconf.py && pelican --quiet content -s pelicanconf.py",
        "output",
        pip="pelican markdown",
    ),
    "ghost": Generator(
        "Ghost",
        {"package.json": PACKAGE, "render.js": RENDER_GHOST},
        "node render.js",
        "site",
        npm="handlebars@4",
    ),
    "next": Generator(
        "Next.js and React",
        {
            "package.json": PACKAGE,
            "next.config.js": "export default { output: 'export', trailingSlash: true }",
            "app/layout.jsx": "export default ({ children }) => <html lang='en'><body>{children}</body></html>",
            "app/page.jsx": "export default () => <p>Blog</p>",
            "app/[slug]/page.jsx": NEXT_PAGE,
        },
        "npx next build",
        "out",
        npm="next@16 react@19 react-dom@19",
        also="/b-post",
    ),
}


def files_of(heading: str, which: slice) -> Iterator[tuple[str, str]]:
    """Return the code blocks under a heading, each with the last file name in the text before it."""
    lines = EMBEDDING.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines, 1) if re.fullmatch(rf"##+ {re.escape(heading)}", line))
    blocks, name, before = [], "", start
    for block in (one for one in blocks_of(EMBEDDING) if start < one.line < following(lines, start)):
        named = re.search(r"[Ii]n `([^`]+)`", " ".join(lines[before : block.line - 1]))
        name, before = named[1] if named else name, block.line + len(block.text.splitlines()) + 1
        blocks.append((name, block.text))
    return iter(blocks[which])


def following(lines: list[str], start: int) -> int:
    """Return the line number of the next heading."""
    return next(number for number, line in enumerate(lines, 1) if number > start and line.startswith("##"))


def laid_out(folder: Path, generator: Generator, blog: str, service: str) -> None:
    """Write the files of the blog: those of this module, then append or add those of the document."""
    for name, text in generator.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("BLOG", blog), encoding="utf-8")
    for name, text in files_of(generator.heading, generator.blocks):
        file = folder / generator.moves.get(name, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text.replace(SERVICE, service))


def run(command: str, folder: Path, path: str) -> str:
    environment = os.environ | {"PATH": f"{path}:{os.environ['PATH']}", "NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}
    environment |= {"ASTRO_TELEMETRY_DISABLED": "1", "DOCUSAURUS_TELEMETRY_DISABLED": "1", "NODE_ENV": "production"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def built(name: str, folder: Path, blog: str, service: str) -> str:
    """Install the generator and build the blog; return the installed versions."""
    generator, python = GENERATORS[name], folder / "venv"
    laid_out(folder, generator, blog, service)
    versions = ""
    if generator.pip:
        run(f"{sys.executable} -m venv {python} && {python}/bin/pip install --quiet {generator.pip}", folder, "")
        versions = run(f"{python}/bin/pip freeze", folder, "")
        wanted = "|".join(generator.pip.split())
        versions = " ".join(re.findall(rf"^((?:{wanted})==\S+)", versions, re.MULTILINE | re.IGNORECASE))
    if generator.npm:
        run(f"npm install --no-audit --no-fund --loglevel=error --include=dev {generator.npm}", folder, "")
        listed = json.loads(run("npm ls --json --depth=0", folder, ""))["dependencies"]
        wanted = [package.rpartition("@")[0] for package in generator.npm.split()]
        versions = " ".join(f"{package}@{listed[package]['version']}" for package in wanted)
    run(generator.build, folder, f"{python}/bin")
    return versions


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def published() -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of a blog and a list of folders; the server serves the last folder of the list."""
    folders: list[str] = []

    def handle(*arguments):
        return functools.partial(Quiet, directory=folders[-1])(*arguments)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handle) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folders
        server.shutdown()


def approved(running: Running, thread: str, words: str) -> None:
    """Post a comment and approve it."""
    fields = {"thread": thread, "name": "Ada", "email": "ada@example.com", "comment": words}
    with urllib.request.urlopen(f"{running.url}/v1/comments", urlencode(fields).encode(), timeout=10) as answer:  # noqa: S310
        made = json.load(answer)["id"]
    command = "commentsvc key create builder --scope moderate"
    key = subprocess.run(command.split(), env=running.environment, cwd=running.folder, capture_output=True, check=True)
    request = urllib.request.Request(  # noqa: S310 -- our own service
        f"{running.url}/v1/moderation/actions",
        json.dumps({"action": "approve", "ids": [made]}).encode(),
        {"Authorization": f"Bearer {key.stdout.decode().split()[-1]}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


def visited(page: Page, generator: Generator, blog: str) -> None:
    """Read the approved comment, post one, and go to another post."""
    page.goto(f"{blog}{generator.post}")
    root = page.locator(".ct[data-thread]")
    root.wait_for()
    assert root.count() == 1, "the comments are shown more than once"
    assert root.get_attribute("data-thread") == generator.post.rstrip("/")
    page.get_by_text("I came before the build.").wait_for()
    for name, text in {"comment": "Hello from the blog.", "name": "Mia", "email": "mia@example.com"}.items():
        root.locator(f"[name={name}]").fill(text)
    page.get_by_role("button", name="Post comment").click()
    page.get_by_text("Waiting for moderation").wait_for()
    if generator.also:
        page.goto(f"{blog}{generator.post}")
        root.wait_for()
        page.get_by_role("link", name="Another post").first.click()
        page.locator(f".ct[data-thread='{generator.also}']").wait_for()
        assert root.count() == 1


def tried(name: str) -> str:
    """Build one blog and use it; return the installed versions."""
    generator, errors = GENERATORS[name], []
    with tempfile.TemporaryDirectory(prefix=f"commentsvc-{name}-") as scratch, published() as (blog, folders):
        (Path(scratch) / "service").mkdir()
        (Path(scratch) / "blog").mkdir()
        with serving(Path(scratch) / "service") as running, sync_playwright() as playwright:
            approved(running, f"{blog}{generator.post}", "I came before the build.")
            versions = built(name, Path(scratch) / "blog", blog, running.url)
            folders.append(str(Path(scratch) / "blog" / generator.site))
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_context(java_script_enabled=generator.script).new_page()
            page.set_default_timeout(PATIENCE)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            visited(page, generator, blog)
            browser.close()
    # The files that a theme loads from other hosts do not load here, and a thread may be unknown at first.
    faults = [text for text in errors if not re.search("Failed to load resource", text)]
    assert not faults, faults
    return versions or "nothing to install"


if __name__ == "__main__":
    if shutil.which("npm") is None or CHROMIUM is None:
        sys.exit("npm and Chromium are needed")
    for chosen in sys.argv[1:] or GENERATORS:
        print(f"{chosen}: {tried(chosen)}", flush=True)  # noqa: T201 -- this is a command
