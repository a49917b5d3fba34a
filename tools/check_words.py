#!/usr/bin/env python
"""Checks the project's prose against a list of words, and prints file, line and remedy of each.

Prose is Markdown text outside code, docstrings, comments, help texts of commands, and the comments
and help texts of C++, shell scripts, Makefile, YAML and TOML. Code is not checked: neither names
nor anything in backticks. Markdown lines are also checked for length. Exits with 1 when something
is found. Without arguments all files under version control are checked.

Example:
    python tools/check_words.py
    python tools/check_words.py README.md docs/index.md
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKDOWN_COLUMNS = 120

PER = "byte|box|call|camera|class|frame|head|image|job|keyframe|line|object|point|pose|process"
PER += "|query|sample|scene|second|step|time"
COUNTED = "boxes|bytes|calls|GB|GiB|hours|images|jobs|kB|lines|MB|MiB|minutes|ms|numbers|objects"
COUNTED += "|once|operations|pixels|points|poses|px|queries|samples|seconds|steps|threads"

# Pattern -> remedy. A space matches any white space, also a line break. Case does not matter.
WORDS = {
    # The project's own dialect: there is a common word.
    r"made(-| )up": "synthetic",
    r"alike": "equally, both, in the same way",
    r"anew": "again",
    r"mend(s|ed|ing)?": "repair, fix",
    r"beside": "next to, together with, in addition to",
    r"anyhow": "randomly, in any way",
    r"blind(ly)?": "without ground truth",
    r"(surer|too sure)": "more confident, overconfident",
    r"in the mean": "on average",
    r"in small": "on a small scale",
    r"by heart": "memorised",
    r"(goes|go|going|went) on (from|with|where|without)": "resume, continue",
    r"(?<!ground\s)(?<!ground-)truths?": "ground truth, true value",
    r"once and for all": "once",
    r"(share|shares|shared|sharing) out": "distribute",
    r"(gives?|gave|given) way": "is replaced",
    r"makes? (out )?of (the|its|it|them|what)": "computes from",
    r"(that|which) (are|is) (?-i:none)": "invalid",
    r"spared": "skipped",
    r"stands? (in|at|there|here|once|by|beside|written|apart)": "is, is written",
    r"lay hands? on": "get",
    r"of those (that|which|who)": "name the objects",
    r"rivals?": "baseline, competitor",
    r"teach(es)?": "train",
    # Nothing inanimate speaks, sees to it, or has a mind.
    r"(tells?|telling|told)": "show, give, state, distinguish",
    r"(knows|knew)": "has, contains, depends on",
    r"(notices|noticed|(not|never|without) (notice|noticing))": "detect; is unaffected",
    r"looks": "read, inspect, process, appear",
    r"looked (at|for)": "inspected, searched",
    r"(asks|asked|asking)": "request, call, require",
    r"wants": "need, require, expect",
    r"pleas(es|ed|ing)": "satisfy, minimise",
    r"pretend(s|ed)?": "assume, imply",
    r"says": "state, print, report, return",
    r"(believes|thinks|understands|remembers|feels|promises)": "assume, store, guarantee",
    r"speaks? (of|for|to)": "describe, refer to",
    # "per" for rates.
    rf"({COUNTED}) an? ({PER})": "per image, per object",
    # Whole sentences in plain English.
    r"(hence|thus|whereby|thereof|therein|wherein|herein)": "so, by which, of it, in it",
    r"in order to": "to",
    r"utili[sz](e|es|ed|ing)": "use",
    r"leverag(e|es|ed|ing)": "use",
    r"prior to": "before",
}

# Patterns that are matched as they are written.
SENTENCES = {
    r"(?:(?<=[.:;!?]\s)|(?<=\n\n))What\b[^.?!\0]*\b(?:is|are|was|has|have)\b[^.?!\0]*\.(?=\s)": (
        "name the subject of the sentence instead of 'What ... is'"
    ),
    r"(?m)^[ \t]*\w+: (?:of|and|but|or|which) ": "begin the sentence with its subject",
}


# White space within a paragraph.
SPACE = r"(?:[ \t]+|[ \t]*\n[ \t]*)"


def compiled() -> dict[re.Pattern[str], str]:
    words = {
        re.compile(rf"\b{word.replace(' ', SPACE)}\b", re.IGNORECASE): remedy
        for word, remedy in WORDS.items()
    }
    return words | {re.compile(pattern): remedy for pattern, remedy in SENTENCES.items()}


def keep(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with everything outside the spans replaced by NUL, line breaks excepted."""
    kept = bytearray(len(text))
    for start, end in spans:
        kept[start:end] = b"\1" * (end - start)
    return "".join(char if kept[i] or char == "\n" else "\0" for i, char in enumerate(text))


def blank(text: str, pattern: str) -> str:
    """Replaces each match by NUL of the same length, line breaks excepted."""
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", "\0", m.group()), text)


def markdown_prose(text: str) -> str:
    """Markdown without code blocks, comments and link targets."""
    text = blank(text, r"(?ms)^[ \t]*```.*?^[ \t]*```[^\n]*$")
    text = blank(text, r"(?s)<!--.*?-->")
    return blank(text, r"\]\([^)]*\)|https?://\S+")


def python_prose(text: str) -> str:
    """Docstrings, comments, and the help texts of commands."""
    starts = [0, *(m.end() for m in re.finditer("\n", text))]
    lines = text.splitlines(keepends=True)

    def offset(line: int, byte: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:byte].decode())

    spans = [
        (offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset))
        for node in python_strings(ast.parse(text))
    ]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            start = starts[token.start[0] - 1] + token.start[1]
            spans.append((start, start + len(token.string)))
    prose = re.sub(r"(?m)#+|>>>.*$", blanks, keep(text, spans))
    return re.sub(r"(?m)^[ \t]+(\w+, )*\w+:(?=\s)", without_names, prose)


def blanks(match: re.Match[str]) -> str:
    return " " * len(match.group())


def without_names(match: re.Match[str]) -> str:
    """The beginning of a line with names of arguments, which are code."""
    return re.sub(r"\w", "x", match.group())


def python_strings(tree: ast.AST) -> Iterator[ast.expr]:
    """Docstrings, and strings given as `help`, `description` or `epilog`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                yield node.value
        elif isinstance(node, ast.keyword) and node.arg in ("help", "description", "epilog"):
            yield from (
                part
                for part in ast.walk(node.value)
                if isinstance(part, (ast.Constant, ast.JoinedStr)) and hasattr(part, "lineno")
            )


def cpp_prose(text: str) -> str:
    """Comments of C++."""
    spans = [m.span() for m in re.finditer(r"//[^\n]*|(?s:/\*.*?\*/)", text)]
    return re.sub(r"//|/\*|\*/", blanks, keep(text, spans))


def hash_prose(text: str) -> str:
    """Comments that begin with `#`, and here-documents and echoed texts of shell scripts."""
    comments = r"(?m)(?:^|(?<=\s))#[^\n]*"
    texts = r"(?ms)<<-?'?(\w+)'?[^\n]*\n.*?^\s*\1$|^\s*echo [^\n]*"
    spans = [m.span() for pattern in (comments, texts) for m in re.finditer(pattern, text)]
    return re.sub("#+", blanks, keep(text, spans))


# Code spans, replacement fields of format strings, and variables of the shell.
CODE_IN_PROSE = r"``[^`]+``|`[^`]*`|\{[^{}\n]*\}|\$\w+|\$\([\w@]+\)"

PROSE = {
    ".md": markdown_prose,
    ".py": python_prose,
    ".cpp": cpp_prose,
    ".hpp": cpp_prose,
    ".sh": hash_prose,
    ".yml": hash_prose,
    ".yaml": hash_prose,
    ".toml": hash_prose,
    "Makefile": hash_prose,
}


def check(file: Path) -> list[tuple[int, str, str]]:
    """Line number, words found and remedy, in the order of the lines."""
    text = file.read_text()
    try:
        prose = PROSE[file.suffix or file.name](text)
    except SyntaxError as error:
        return [(error.lineno or 1, "a syntax error", "make the file valid Python first")]
    prose = blank(prose, CODE_IN_PROSE)
    found = [
        (
            prose.count("\n", 0, match.start()) + 1,
            " ".join(text[slice(*match.span())].split()),
            remedy,
        )
        for pattern, remedy in compiled().items()
        for match in pattern.finditer(prose)
    ]
    if file.suffix == ".md":
        found += long_lines(text)
    return sorted(found)


def long_lines(text: str) -> list[tuple[int, str, str]]:
    """Lines of Markdown over the limit; rows of tables may be longer."""
    return [
        (number, f"{len(line)} columns", f"wrap at {MARKDOWN_COLUMNS}")
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > MARKDOWN_COLUMNS and not line.startswith("|")
    ]


def tracked_files() -> list[Path]:
    """Files with prose that git tracks or would add, links excepted."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = (ROOT / name for name in names.splitlines())
    return [
        file
        for file in files
        if (file.suffix or file.name) in PROSE and file.is_file() and not file.is_symlink()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="files to check; default: all")
    args = parser.parse_args()
    unknown = [str(f) for f in args.files if (f.suffix or f.name) not in PROSE or not f.is_file()]
    if unknown:
        parser.error(f"{unknown[0]}: not a file with prose ({', '.join(PROSE)})")
    count = 0
    for file in args.files or tracked_files():
        shown = file.relative_to(ROOT) if ROOT in file.parents else file
        for line, words, remedy in check(file):
            print(f"{shown}:{line}: {words!r}: {remedy}")
            count += 1
    if count:
        sys.exit(f"{count} words or lines to rewrite; the remedies are behind the colons.")


if __name__ == "__main__":
    main()
