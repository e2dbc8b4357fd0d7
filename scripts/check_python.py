"""Every Python file must be readable by Python 3.9, the oldest that the SDK supports, whatever Python runs this check.

The grammar is asked of `ast`. One thing it cannot know: `X | None` in an annotation is legal grammar but fails when it is
evaluated, so files that write it must postpone evaluation with `from __future__ import annotations`.
"""

import ast
import pathlib
import sys

FOLDERS = ("python", "examples", "scripts")


def problems(path):
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))
    except SyntaxError as error:
        return [f"{path}:{error.lineno}: not Python 3.9: {error.msg}"]
    postponed = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    if postponed:
        return []
    return [f"{path}:{node.lineno}: `|` in an annotation needs `from __future__ import annotations`" for node in unions(tree)]


def unions(tree):
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None and any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.BitOr) for n in ast.walk(annotation)):
                yield annotation


def main():
    paths = [path for folder in FOLDERS for path in sorted(pathlib.Path(folder).rglob("*.py"))]
    found = [line for path in paths for line in problems(path)]
    print("\n".join(found) if found else f"{len(paths)} Python files")
    return 1 if found else 0


sys.exit(main())
