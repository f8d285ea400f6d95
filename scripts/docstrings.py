"""How the API pages show our docstrings: doctests as code, "name: what it is" lines as lists.

An extension of griffe, which reads the docstrings for mkdocs; see mkdocs.yml.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^( *)>>> (?:.*\S.*(?:\n|\Z))*", re.MULTILINE)
FIELD = re.compile(r"^([a-z][\w, ]*?):\s")


class Docstrings(griffe.Extension):
    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            text = DOCTEST.sub(fenced, obj.docstring.value)
            obj.docstring.value = listed(text, names_of(obj))


def fenced(match: re.Match[str]) -> str:
    """A doctest as a code block, without its directives."""
    indent, code = match[1], re.sub(r" +# doctest:.*", "", match[0]).rstrip("\n")
    return f"{indent}```pycon\n{code}\n{indent}```\n"


def names_of(obj: Any) -> set[str]:
    """A function's parameters; a class's attributes and the parameters that it is made with."""
    if obj.is_function:
        return {parameter.name for parameter in obj.parameters}
    if not obj.is_class:
        return set()
    made = obj.members.get("__init__")
    return {*obj.members, *(parameter.name for parameter in (made.parameters if made else ()))}


def listed(text: str, names: set[str]) -> str:
    """Lines that start with such a name, or several, become the items of a list."""
    out: list[str] = []
    for line in text.splitlines():
        field = FIELD.match(line)
        if field and set(field[1].split(", ")) <= names:
            if out and out[-1] and not out[-1].startswith("- "):
                out.append("")
            line = f"- `{field[1]}`: {line[field.end() :]}"
        out.append(line)
    return "\n".join(out)
