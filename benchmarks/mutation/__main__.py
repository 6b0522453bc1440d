"""`python -m benchmarks.mutation --workers 2 > docs/mutation.md`: the mutation score of the reference library.

`--out FILE` keeps every outcome as a line of JSON. Called again with the same file, it does not try again what is
there, as long as neither the library nor its tests have changed; else each mutant first meets its killer of then.
"""

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.mutation.equivalent import EQUIVALENT, check_stale
from benchmarks.mutation.mutants import ROOT, Key, Mutant, files, mutants_of
from benchmarks.mutation.page import page
from benchmarks.mutation.trial import TESTS, Outcome, try_mutants


def main() -> int:
    """Print the page; the exit status is 1 if a mutant survived that is not known as equivalent."""
    asked = _arguments()
    found = [mutant for file in files(asked.only) for mutant in mutants_of(file)]
    check_stale([mutant.key for mutant in found], files(asked.only))
    if asked.sample:
        drawn = set(random.Random(asked.seed).sample(range(len(found)), min(asked.sample, len(found))))
        found = [mutant for i, mutant in enumerate(found) if i in drawn]
    found = found[: asked.limit]
    outcomes = run(found, asked.out, asked.workers, asked.tests)
    lines, sound = page(found, outcomes, EQUIVALENT, asked.tests)
    print("\n".join(lines))
    return 0 if sound else 1


def run(
    mutants: Sequence[Mutant], out: Path | None, workers: int = 1, tests: Sequence[str] = TESTS
) -> dict[Key, Outcome]:
    """The outcome of every mutant, as far as it is in the file from there."""
    state = _digest(tests)
    kept = _read(out)
    outcomes = {key: outcome for key, (of, outcome) in kept.items() if of == state}
    hints = {key: outcome.killer for key, (_, outcome) in kept.items() if outcome.killer is not None}
    left = [mutant for mutant in mutants if mutant.key not in outcomes]
    start = time.perf_counter()

    def report(outcome: Outcome) -> None:
        outcomes[outcome.key] = outcome
        if out is not None:
            with out.open("a", encoding="utf-8") as stream:
                print(json.dumps({"state": state, **asdict(outcome)}, ensure_ascii=False), file=stream)
        done, seconds = len(outcomes.keys() & {mutant.key for mutant in left}), time.perf_counter() - start
        end = "\n" if outcome.survived and outcome.key not in EQUIVALENT else ""
        told = " ".join((outcome.how, *outcome.key)) if end else ""
        print(f"\r{done} of {len(left)}, {seconds:.0f} s {told}", end=end, file=sys.stderr, flush=True)

    if left:
        try_mutants(left, report, tests=tests, workers=workers, hints=hints)
    return {mutant.key: outcomes[mutant.key] for mutant in mutants}


def _read(out: Path | None) -> dict[Key, tuple[str, Outcome]]:
    """What the file holds: the latest outcome of each mutant, and the state of library and tests it was found in."""
    if out is None or not out.exists():
        return {}
    kept = {}
    for line in out.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        state, key = fields.pop("state"), tuple(fields.pop("key"))
        kept[key] = state, Outcome(key, **fields)
    return kept


def _digest(tests: Sequence[str]) -> str:
    """Of every Python file of the library and of the tests: an outcome is good for as long as none changes."""
    paths = sorted({*ROOT.rglob("*.py"), *Path(TESTS[0]).parent.rglob("*.py")})
    told = [path.read_bytes() for path in paths] + [test.encode() for test in tests]
    return hashlib.sha256(b"\0".join(told)).hexdigest()[:16]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], help="files of reference_impls, such as layers/affine")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help=f"what to run (default {' '.join(TESTS)})")
    parser.add_argument("--workers", type=int, default=1, help="mutants at once (default 1)")
    parser.add_argument("--out", type=Path, help="keep the outcomes in this file, and go on from there")
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of --sample (default 0)")
    parser.add_argument("--limit", type=int, help="at most so many mutants")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
