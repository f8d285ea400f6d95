"""How large the house is: lines of every room, longest function and file, options, import circles.

Of the files as git lists them, at any commit, so that the same command gives before and after.
"""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ediffi.evaluate.report import table

ROOT = Path(__file__).parent.parent
NOT_CORE = ("pictogram", "language")
CORE = "src without pictogram, language"
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
Files = dict[str, str]
"""Python files by path, as text."""


def house_table(files: Files) -> str:
    """Markdown: lines of every room, and the figures of the whole."""
    lines, code = Counter[str](), Counter[str]()
    for path, text in files.items():
        for room in (room_of(path), CORE if is_core(path) else ""):
            lines[room] += len(text.splitlines())
            code[room] += code_lines(text)
    rooms = sorted(r for r in lines if r not in ("", CORE, "studies", "tests"))
    rows = [["room", "lines", "of them code"]]
    rows += [
        [room, f"{lines[room]:,}", f"{code[room]:,}"] for room in (*rooms, CORE, "studies", "tests")
    ]
    ours = {path: text for path, text in files.items() if not path.startswith("tests")}
    path, text = max(ours.items(), key=lambda pair: len(pair[1].splitlines()))
    longest = max((size, name) for p, t in ours.items() for size, name in functions(p, t))
    over = sum(size > 60 for p, t in ours.items() for size, _ in functions(p, t))
    facts = [
        f"longest file: {path}, {len(text.splitlines())} lines",
        f"longest function: {longest[1]}, {longest[0]} lines; {over} over 60",
        f"options declared: {sum(text.count('typer.Option(') for text in ours.values())}",
        f"circles of imports: {len(circles(ours))}",
    ]
    return table(rows) + "\n\n" + "\n".join(facts)


def read_files(revision: str | None) -> Files:
    """All Python files that git knows, as they are or (revision) were in a commit."""
    if revision is None:
        names = _git("ls-files", "*.py").split("\n")[:-1]
        return {name: (ROOT / name).read_text() for name in names if (ROOT / name).exists()}
    names = _git("ls-tree", "-r", "--name-only", revision).split("\n")
    return {name: _git("show", f"{revision}:{name}") for name in names if name.endswith(".py")}


def room_of(path: str) -> str:
    """`src/ediffi/model/stage.py` -> "model"; the package's own files are "ediffi"."""
    parts = path.split("/")
    if parts[0] != "src":
        return parts[0]
    return parts[2] if len(parts) > 3 else "ediffi"


def is_core(path: str) -> bool:
    """Whether it is of the package, but not of the default model's data and words."""
    return path.startswith("src/") and room_of(path) not in NOT_CORE


def code_lines(text: str) -> int:
    """Lines that are not blank, comments or docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    used = {
        line
        for token in tokens
        if token.type not in SILENT
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                used -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(used)


def functions(path: str, text: str) -> Iterator[tuple[int, str]]:
    """(lines, "path, name") of every function."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or 0) - node.lineno + 1, f"{path}, {node.name}"


def circles(files: Files) -> list[set[str]]:
    """Groups of modules that import each other when they are loaded."""
    modules = {_module(path): text for path, text in files.items()}
    graph = {name: set(_imports(name, text, modules)) for name, text in modules.items()}
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }
    return [set(group) for group in groups]


def _module(path: str) -> str:
    name = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def _imports(name: str, text: str, modules: Files) -> Iterator[str]:
    """Modules that are imported at the top of a file, not within functions or for types alone."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            # from a package: its own names, or its modules
            found = {module if module in modules else node.module for module in whole}
            yield from (module for module in found if module in modules and module != name)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen, todo = set[str](), [*graph[start]]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph[name]
    return seen


def _git(*command: str) -> str:
    return subprocess.run(
        ["git", *command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
