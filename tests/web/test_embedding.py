"""What is pasted into a generator's files is what those files may hold. ``make generators`` builds with all of it."""

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
def test_every_generator_loads_the_same_script_or_the_same_comments(generator):
    texts = [text for _, text in files_of(generator.heading, generator.blocks)]
    script = "".join(texts).count(f'src="{SCRIPT}"') + "".join(texts).count(f"src: '{SCRIPT}'")
    assert script == (1 if generator.script else 0)
    assert script or any(f"{SERVICE}/v1/comments.html?" in text for text in texts)
    assert all(name or generator.moves for name, _ in files_of(generator.heading, generator.blocks))


def test_the_line_to_paste_is_always_the_same():
    plain = f'<script async src="{SCRIPT}"></script>'
    pasted = [block for block in blocks_of(EMBEDDING) if f"{SCRIPT}" in block.text]
    assert len(pasted) >= 10
    for block in pasted:
        if block.kind not in {"js", "jsx", "astro"}:
            assert plain in block.text, block.line


@pytest.mark.parametrize(
    "block", [one for one in blocks_of(EMBEDDING) if one.kind in PARSERS], ids=lambda one: one.line
)
def test_what_can_be_parsed_here_can_be_parsed(block):
    PARSERS[block.kind](block.text)
