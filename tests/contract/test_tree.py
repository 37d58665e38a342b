"""Facts about the tree that nobody should have to remember in a review."""

import ast
import fnmatch
import functools
import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "stuff"}
# Spelled apart, so that this file does not find itself.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|NotImplemented" r"Error")
MACHINE_PATH = re.compile(r"(?<![\w.])/(home/\w+|root|work|Users/\w+|opt/(wheels|pypi))\b|\.py" r"env/(versions|shims)")
LOCK_ADDRESS = re.compile(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b|://|file:", re.M)
WAYS_TO_SKIP = {"skip", "skipif", "xfail", "importorskip", "SkipTest"}
CHECKS = ("assert", "check", "verify", "expect")
BINARY = {".png", ".jpg", ".woff2", ".ico", ".gz"}


@functools.cache
def project_files() -> tuple[Path, ...]:
    """All files but those that .gitignore names, relative to the root; git itself need not be here."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("#")]
    found: list[Path] = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name != ".git" and not matches(name, ignored)]
        found += [Path(folder, name).relative_to(ROOT) for name in files if not matches(name, ignored)]
    return tuple(sorted(found))


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def under(*places: str, suffix: str = "") -> list[Path]:
    """Files of these top folders (all where none is named) whose names end with `suffix`."""
    return [path for path in project_files() if (not places or path.parts[0] in places) and path.name.endswith(suffix)]


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(text_of(path)))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_files_can_be_read_in_one_sitting() -> None:
    lines = {path: text_of(path).count("\n") for path in under(suffix=".py")}
    assert {path: count for path, count in lines.items() if count >= MAX_FILE_LINES} == {}


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in under("src", suffix=".py")
        for node in functions_of(path)
        if (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_names_of_modules_say_something() -> None:
    nameless = [path for path in under(suffix=".py") if NAMES_THAT_SAY_NOTHING & {path.stem, *path.parts[:-1]}]
    assert nameless == []


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{path}:{number} {line.strip()[:80]}"
        for path in under("src", "tests", "benchmarks", "scripts", "Makefile", ".ci")
        if path.suffix not in BINARY and ".min." not in path.name
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if LEFTOVER.search(line)
    ]
    assert left == []


def test_packages_reexport_nothing() -> None:
    parsed = {path: ast.parse(text_of(path)) for path in under("src", suffix="__init__.py")}
    busy = [path for path, tree in parsed.items() if len(tree.body) != 1 or ast.get_docstring(tree) is None]
    assert busy == []


def test_every_module_says_what_it_owns() -> None:
    silent = [
        path
        for path in under("src", "tests", "benchmarks", "scripts", suffix=".py")
        if ast.get_docstring(ast.parse(text_of(path))) is None
    ]
    assert silent == []


def test_no_file_carries_a_path_of_one_machine() -> None:
    tied = [path for path in under() if path.suffix not in BINARY and MACHINE_PATH.search(text_of(path))]
    assert tied == []


def test_locks_carry_no_addresses() -> None:
    locks = [*under("requirements"), *under(suffix="package-lock.json")]
    assert {Path("requirements/runtime.txt"), Path("requirements/dev.txt")} <= set(locks)
    assert [path for path in locks if LOCK_ADDRESS.search(text_of(path))] == []


@pytest.mark.parametrize("name", ["runtime", "dev", "installer"])
def test_every_pin_of_a_lock_has_a_hash(name: str) -> None:
    pins = re.split(r"\n(?=\S)", text_of(Path(f"requirements/{name}.txt")).strip())
    assert [pin.splitlines()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_every_package_of_a_javascript_lock_has_a_hash() -> None:
    [lock] = under(suffix="package-lock.json")
    packages = {name: found for name, found in json.loads(text_of(lock))["packages"].items() if name}
    assert "node_modules/whatsapp-api-js" in packages
    assert [name for name, found in packages.items() if not found["integrity"].startswith("sha512-")] == []


def test_no_test_can_be_skipped() -> None:
    skippable = [
        f"{path}:{node.lineno}"
        for path in under("tests", suffix=".py")
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Attribute | ast.Name) and name_of(node) in WAYS_TO_SKIP
    ]
    assert skippable == []


def test_every_test_asserts_something_that_a_reader_can_see() -> None:
    blind = [
        f"{path}:{test.lineno} {test.name}"
        for path in under("tests", suffix=".py")
        for test in functions_of(path)
        if test.name.startswith("test_") and not any(asserts(node) for node in ast.walk(test))
    ]
    assert blind == []


def asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    name = name_of(node.func) if isinstance(node, ast.Call) else ""
    return name in {"raises", "warns", "fail"} or name.startswith(CHECKS)
