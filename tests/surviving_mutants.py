"""`make mutants`: change the core, line by line, and compare what no test notices with a list.

mutmut works in `mutants/`, a copy, and remembers there what it has done: stopped, it goes on. The
list is the table in CONTRIBUTING.md, which says of each function why its survivors may live.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_ROW = re.compile(r"^\| `(gegcore|bookkit)\.([\w.]+)` \| (\d+) \| (.+) \|$", re.MULTILINE)
_MUTANT = re.compile(r"^\s*(\S+__mutmut_\d+): (survived|suspicious|no tests)$", re.MULTILINE)


def listed(text: str) -> dict[str, tuple[int, str]]:
    """Function -> number of known survivors and why they are acceptable, of CONTRIBUTING.md."""
    return {f"{row[0]}.{row[1]}": (int(row[2]), row[3]) for row in _ROW.findall(text)}


def function_of(mutant: str) -> str:
    """`package.module.x_name__mutmut_3`, or `.xǁClassǁname__mutmut_3`: the function's own name."""
    module, _, mangled = mutant.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('x').removeprefix('_').strip('ǁ').replace('ǁ', '.')}"


def survivors(results: str) -> list[str]:
    """Mutants that no test noticed, of what `mutmut results` prints."""
    return [name for name, _ in _MUTANT.findall(results)]


def mutmut(*arguments: str, capture: bool = False) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE if capture else None)
    if done.returncode:
        sys.exit(f"mutmut {arguments[0]} ended early: run `make mutants` again, it goes on")
    return done.stdout


def unlisted(alive: list[str], known: dict[str, tuple[int, str]]) -> list[str]:
    """Survivors of functions that have more of them than the list says."""
    counts = Counter(map(function_of, alive))
    most = {name: count for name, (count, _) in known.items()}
    return [name for name in alive if counts[function_of(name)] > most.get(function_of(name), 0)]


def main() -> int:
    if subprocess.run([sys.executable, "-c", "import mutmut"], capture_output=True).returncode:
        print("make mutants needs mutmut, the extra 'mutants': see CONTRIBUTING.md")
        return 2
    known = listed((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    earlier = survivors(mutmut("results", capture=True)) if (ROOT / "mutants").is_dir() else []
    mutmut("run", "--max-children", "1", *sys.argv[1:])
    alive = survivors(mutmut("results", capture=True))
    if again := set(earlier) & set(unlisted(alive, known)):
        mutmut("run", "--max-children", "1", *sorted(again))  # the tests may be better by now
    results = mutmut("results", capture=True)
    alive = survivors(results)
    for name in unlisted(alive, known):
        print(f"not in CONTRIBUTING.md: {name}\n{mutmut('show', name, capture=True)}")
    counts, waiting = Counter(map(function_of, alive)), results.count(": not checked")
    fewer = [f"{name} {counts[name]}" for name in known if counts[name] < known[name][0]]
    print(f"{len(alive)} survivors, {waiting} mutants not tried yet")
    print(*(f"fewer than in CONTRIBUTING.md: {line}" for line in fewer), sep="\n")
    return int(bool(unlisted(alive, known) or waiting))


if __name__ == "__main__":
    sys.exit(main())
