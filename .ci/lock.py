"""Write constraints.txt: every package that pyproject.toml asks for, by name, version and hash.

Run by `make lock`. One resolution serves all sections, so that they agree; `--universal` makes it hold on every
supported Python. A section holds what the ones before it lack.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS: dict[str, tuple[list[str], str]] = {
    "run": ([], "what `make demo` needs: the library's dependencies and its build backend"),
    "dev": (["--extra", "dev"], "and what `make test` and `make check` need"),
    "bench": (["--all-extras"], "and what `make bench` measures against"),
}
ENTRY = re.compile(r"^(?P<pin>(?P<name>[a-z0-9-]+)==[^\\\n]*?) \\(?:\n    .*)+", re.MULTILINE)
HEAD = "# Names, versions and hashes, made by `make lock`. CONTRIBUTING.md says how the sections are installed.\n"


def resolve(args: list[str], pins: Path | None = None) -> dict[str, re.Match[str]]:
    """The entries that `args` lead to, by package name; `pins` holds versions that are already chosen."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", *(["--constraints", str(pins)] if pins else []), *args]
    command += ["pyproject.toml", "-"]
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(backend), check=True, stdout=subprocess.PIPE, text=True)
    return {match["name"]: match for match in ENTRY.finditer(done.stdout)}


def main() -> None:
    """Resolve everything once, then each section within that."""
    pins = ROOT / ".venv" / "pins.txt"
    pins.write_text("".join(f"{entry['pin']}\n" for entry in resolve(["--all-extras"]).values()))
    text, written = HEAD, set[str]()
    for section, (args, why) in SECTIONS.items():
        entries = resolve(args, pins)
        new = sorted(entries.keys() - written)
        text += f"\n## {section}: {why}\n" + "".join(f"{entries[name][0]}\n" for name in new)
        written |= entries.keys()
    (ROOT / "constraints.txt").write_text(text)
    pins.unlink()


if __name__ == "__main__":
    main()
