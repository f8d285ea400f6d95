"""What is counted of the code."""

from __future__ import annotations

from studies.house import circles, code_lines, functions, house_table, is_core, room_of

CODE = '''"""What it is.

More of it.
"""

import os  # a comment


def f(x: int) -> int:
    """Says itself."""
    # nothing
    return x + len("""a
b""")
'''


def test_lines_of_code_are_those_that_say_something() -> None:
    assert code_lines(CODE) == 4  # import, def, and both lines of the return
    assert list(functions("a.py", CODE)) == [(5, "a.py, f")]


def test_rooms() -> None:
    assert room_of("src/ediffi/data/readers/coco.py") == "data" and is_core("src/ediffi/data/x.py")
    assert room_of("src/ediffi/__init__.py") == "ediffi" and room_of("tests/x.py") == "tests"
    assert not is_core("src/ediffi/pictogram/grid.py") and not is_core("studies/house.py")


def test_circles_are_found() -> None:
    files = {
        "src/ediffi/a.py": "from ediffi.b import x\n",
        "src/ediffi/b.py": "from ediffi import c\n",
        "src/ediffi/c.py": "from ediffi.a import x\n",
        "src/ediffi/d.py": "from ediffi.a import x\ndef f():\n    from ediffi import d\n",
    }
    assert circles(files) == [{"ediffi.a", "ediffi.b", "ediffi.c"}]


def test_the_table() -> None:
    text = house_table({"src/ediffi/data/a.py": CODE, "src/ediffi/language/b.py": CODE})
    assert "| data | 13 | 4 |" in text and "| src without pictogram, language | 13 | 4 |" in text
    assert "longest function: src/ediffi/language/b.py, f, 5 lines; 0 over 60" in text
