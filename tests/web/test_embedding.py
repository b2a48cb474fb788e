"""The examples of docs/embedding.md are valid. ``make generators`` builds a blog with each of them."""

import re
import tomllib

import jinja2
import pytest
import yaml

from tests.generators import EMBEDDING, GENERATORS, files_of
from tests.project.test_documents import SERVICE, blocks_of

SCRIPT = f"{SERVICE}/embed.js"
PARSERS = {
    "jinja": jinja2.Environment(autoescape=True).parse,
    "python": lambda text: compile(text, "pelicanconf.py", "exec"),
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


@pytest.mark.parametrize("generator", GENERATORS.values(), ids=GENERATORS)
def test_every_generator_loads_the_script_or_the_html_of_the_comments(generator):
    texts = [text for _, text in files_of(generator.heading, generator.blocks)]
    script = "".join(texts).count(f'src="{SCRIPT}"') + "".join(texts).count(f"src: '{SCRIPT}'")
    assert script == (1 if generator.script else 0)
    assert script or any(f"{SERVICE}/v1/comments.html?" in text for text in texts)
    assert all(name or generator.moves for name, _ in files_of(generator.heading, generator.blocks))


def test_every_example_has_the_same_script_line():
    plain = re.compile(rf'<script async src="{re.escape(SCRIPT)}"( data-counts)?></script>')
    pasted = [block for block in blocks_of(EMBEDDING) if f"{SCRIPT}" in block.text]
    assert len(pasted) >= 10
    for block in pasted:
        if block.kind not in {"js", "jsx", "astro"}:
            assert plain.search(block.text), block.line


@pytest.mark.parametrize(
    "block", [block for block in blocks_of(EMBEDDING) if block.kind in PARSERS], ids=lambda block: block.line
)
def test_every_example_has_valid_syntax(block):
    PARSERS[block.kind](block.text)
