#!/usr/bin/env python3
"""Prints source files over 500 lines and functions over 60 lines; tests are free. Fails under --strict."""

import pathlib
import re
import subprocess
import sys

FILE_LINES = 500
FUNCTION_LINES = 60
FUNCTION = re.compile(r"^(\s*)(?:pub(?:\([^)]*\))?\s+)?(?:const\s+)?(?:async\s+)?fn\s+(\w+)")


def sources():
    """Rust, Python, JavaScript and shell files that git knows, tests apart."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        path = pathlib.Path(name)
        test = "tests" in path.parts or path.stem in ("tests", "test") or path.stem.endswith("_tests")
        if path.suffix in (".rs", ".py", ".js", ".sh") and not test and path.exists():
            yield path


def without_tests(lines):
    """The lines of a Rust file up to its test module."""
    for number, line in enumerate(lines):
        if line.startswith("#[cfg(test)]") and number + 1 < len(lines) and re.match(r"mod \w+ \{", lines[number + 1]):
            return lines[:number]
    return lines


def long_functions(lines):
    """Name, line and length of each Rust function that is too long; relies on rustfmt's indentation."""
    for number, line in enumerate(lines):
        match = FUNCTION.match(line)
        if not match:
            continue
        closing = match.group(1) + "}"
        for end in range(number, len(lines)):
            if lines[end].rstrip() == closing:
                if end - number + 1 > FUNCTION_LINES:
                    yield match.group(2), number + 1, end - number + 1
                break
            if lines[end].rstrip().endswith(";") and end == number:
                break


def main():
    """Prints the offenders."""
    found = 0
    for path in sources():
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".rs":
            lines = without_tests(lines)
        if len(lines) > FILE_LINES:
            print(f"{path}: {len(lines)} lines (limit {FILE_LINES})")
            found += 1
        if path.suffix == ".rs":
            for name, line, length in long_functions(lines):
                print(f"{path}:{line}: fn {name} has {length} lines (limit {FUNCTION_LINES})")
                found += 1
    print(f"sizes: {found} over the limits" if found else "sizes: all within the limits")
    return 1 if found and "--strict" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
