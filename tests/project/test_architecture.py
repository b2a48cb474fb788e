"""Rules that readers of the code can rely on."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import commentsvc

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(commentsvc.__file__).parent

# Each library, and the only places that may import it.
LIBRARIES = {
    "aiohttp": ("web/", "delivery/", "app.py"),
    "aiosqlite": ("storage/sqlite",),
    "sqlite3": ("storage/sqlite", "archives/"),  # archives of Isso, and a file of our own while one is read
    "yaml": ("archives/",),
    "tqdm": ("cli/",),
    "prometheus_client": ("operations/", "web/"),
    "asyncpg": ("storage/postgres",),
    "jinja2": ("web/pages/templates.py", "web/mail/compose.py"),
    "aiosmtplib": ("delivery/smtp",),
    "rcssmin": ("web/pages/assets.py",),
    "rjsmin": ("web/pages/assets.py",),
    "comrak": ("domain/markdown.py",),
    "nh3": ("domain/markdown.py",),
    "cryptography": ("domain/crypto.py",),
    "email_validator": ("domain/fields.py", "comments/deliverability.py"),
}
READ_THE_ENVIRONMENT = {"cli/main.py", "config/environment.py"}
DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def imports_of(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(name.name, name.asname) for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {(f"{node.module}.{name.name}", name.asname) for name in node.names}
    return found


def test_packages_import_only_from_the_layers_below_them():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_package_has_its_layer():
    linter = configparser.ConfigParser()
    linter.read(ROOT / ".importlinter")
    named = set(re.findall(r"\w+", linter["importlinter:contract:layers"]["layers"]))
    here = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()} - {"__init__"}
    assert here <= named
    assert linter["importlinter:contract:layers"]["exhaustive"] == "true"


def test_libraries_stay_in_their_packages():
    for path in modules():
        libraries = {name.partition(".")[0] for name, _ in imports_of(path)}
        for library in libraries & set(LIBRARIES):
            assert name_of(path).startswith(LIBRARIES[library]), f"{name_of(path)} imports {library}"


def test_only_the_command_line_and_the_settings_read_the_environment():
    for path in modules():
        text = path.read_text(encoding="utf-8")
        if name_of(path) not in READ_THE_ENVIRONMENT:
            assert "os.environ" not in text, path
        if name_of(path) != "cli/main.py":
            assert not re.search(r"\bprint\(|sys\.stdout", text), path


def test_one_module_alone_names_the_private_table():
    naming = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        sql = [text for text in texts if text not in docstrings and re.search(r"\b(FROM|JOIN|INTO|UPDATE)\b", text)]
        if any(re.search(r"\bcontact\b", text) for text in sql):
            naming.append(name_of(path))
    assert naming == ["storage/contacts.py"]


def test_no_module_is_a_drawer_for_odds_and_ends():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "managers"}
    assert not {path.stem for path in modules()} & drawers


def test_functions_are_small():
    sizes = []
    for path in modules():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        sizes += [(node.end_lineno - node.lineno + 1, f"{name_of(path)}:{node.name}") for node in functions]
    sizes.sort()
    assert sizes[-1][0] <= 40, sizes[-1]
    assert sizes[len(sizes) * 9 // 10][0] <= 24
    assert sizes[len(sizes) // 2][0] <= 8


def test_files_have_at_most_300_lines():
    assert not [name_of(path) for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > 300]


def test_domain_and_rules_need_no_web_framework():
    script = "import sys, commentsvc.rules.engine, commentsvc.domain.markdown; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
