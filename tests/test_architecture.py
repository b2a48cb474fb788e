"""The rules of the house, so that a reader can rely on them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import commentsvc

PACKAGE = Path(commentsvc.__file__).parent

# From the ground up. A module imports only what stands on a lower floor, or beside it where that is said.
# The verbs may call one another, in this order.
VERBS = (
    "pacing",
    "challenging",
    "judging",
    "hanging",
    "posting",
    "auditing",
    "revising",
    "reading",
    "reporting",
    "presenting",
    "inspecting",
    "recording",
    "deciding",
    "merging",
    "moderating",
    "answering",
    "forgetting",
    "ruling",
    "trying",
    "curating",
    "admitting",
    "inviting",
    "entering",
    "retracing",
    "administering",
)
FLOORS = (
    {"errors"},
    {"fields"},
    {"model", "addresses"},
    {"shapes", "markup", "sealing", "cursors", "phrases"},
    {"forms", "challenges"},
    {"rules"},
    {"config", "logs"},
    {"store"},
    {"service"},
    {"places"},
    set(VERBS),
    {"web", "terminal"},
    {"app"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
AIOHTTP = {"web", "app"}
DRIVERS = {"aiosqlite", "asyncpg", "sqlite3"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "commentsvc":
            found |= {f"commentsvc.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("commentsvc.")}
    return ours - {"__version__", "shapes"} | ours & {"shapes"}


def test_every_module_stands_on_a_floor():
    assert {room_of(path) for path in modules()} == set(FLOOR) | {"__init__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = room_of(path)
    for other in rooms_imported(path) - {room}:
        if other == "__version__":
            continue
        if room in VERBS and other in VERBS:
            assert VERBS.index(other) < VERBS.index(room), f"{room} calls {other}, which stands after it"
        elif room not in {"__init__", "model"}:
            assert FLOOR[other] < FLOOR[room], f"{room} imports {other} from above"


def test_no_door_knows_another():
    doors = {"web", "store", "terminal", "couriers", "archives"}
    for path in modules():
        if room_of(path) in doors:
            assert not (rooms_imported(path) & (doors - {room_of(path)})), path


def test_libraries_stay_in_their_rooms():
    for path in modules():
        libraries = {name.partition(".")[0] for name in imports_of(path)}
        if "aiohttp" in libraries:
            assert room_of(path) in AIOHTTP, path
        if libraries & DRIVERS:
            assert room_of(path) == "store", path
        if "jinja2" in libraries:
            assert room_of(path) == "web", path
        if libraries & {"comrak", "nh3"}:
            assert path.name == "markup.py", path
        if "cryptography" in libraries:
            assert path.name == "sealing.py", path


def test_only_the_command_line_reads_the_environment_and_prints():
    for path in modules():
        text = path.read_text(encoding="utf-8")
        if path.name != "cli.py":
            assert "os.environ" not in text, path
            assert not re.search(r"\bprint\(|sys\.stdout", text), path


def test_one_module_alone_names_the_private_table():
    naming = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)}
        sql = [text for text in texts if text not in docstrings and re.search(r"\b(FROM|JOIN|INTO|UPDATE)\b", text)]
        if any(re.search(r"\bcontact\b", text) for text in sql):
            naming.append(path.name)
    assert naming == ["contacts.py"]


_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def test_no_room_for_odds_and_ends():
    homeless = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "managers"}
    assert not {path.stem for path in modules()} & homeless


def test_functions_are_small():
    sizes = []
    for path in modules():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        sizes += [(node.end_lineno - node.lineno + 1, f"{path.name}:{node.name}") for node in functions]
    sizes.sort()
    longest = sizes[-1]
    assert longest[0] <= 40, longest
    assert sizes[len(sizes) * 9 // 10][0] <= 24
    assert sizes[len(sizes) // 2][0] <= 8


def test_files_fit_a_sitting():
    # shapes.py is a table of everything that travels; it is looked up, not read through.
    long = [path.name for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > 300]
    assert long == ["shapes.py"]


def test_the_ground_floor_needs_no_web_and_no_database():
    """Whoever asks for the domain does not load aiohttp."""
    script = "import sys, commentsvc.rules, commentsvc.markup, commentsvc.sealing; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
