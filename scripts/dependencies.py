#!/usr/bin/env python3
"""Checks what Comeback is built from against deny.toml: licences, bans and sources.

A part of `cargo deny check`, which takes minutes to build: no advisories, no duplicates, no exceptions.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met; `/` is how older crates write OR."""
    tokens = re.findall(r"[()]|[^\s()]+(?: WITH [^\s()]+)?", expression.replace("/", " OR "))
    words = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    # Nothing but these words, True and False is evaluated.
    return eval(" ".join(words.get(token, str(token in allowed)) for token in tokens))


def complaints(package, rules):
    """What the rules forbid of a package."""
    if not is_allowed(package["license"] or "none", rules["licenses"]["allow"]):
        yield f"its licence is {package['license']}"
    if package["name"] in {ban["name"] for ban in rules["bans"]["deny"]}:
        yield "it is banned"
    # Packages of this workspace have no source.
    source = package["source"]
    if source and source.removeprefix("registry+") not in rules["sources"]["allow-registry"]:
        yield f"it comes from {source}"
    if source is None and any(one["req"] == "*" and one["source"] for one in package["dependencies"]):
        yield "it asks for any version of a dependency"


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    command += [f"--filter-platform={target}" for target in rules["graph"]["targets"]]
    read = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    packages = json.loads(read.stdout)["packages"]
    found = [f"{one['name']} {one['version']}: {why}" for one in packages for why in complaints(one, rules)]
    for line in found:
        print(f"dependencies: {line}, which deny.toml does not allow", file=sys.stderr)
    return 1 if found or not packages else 0


sys.exit(main())
