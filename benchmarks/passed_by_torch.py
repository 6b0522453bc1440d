"""Bugs that torch's gradcheck is known to pass, one table of its own: its verdicts, and ours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import gradcheck_kit as gk
from benchmarks import subjects_in_torch
from tests.mutants import MUTANTS

NAMES = (
    "a module's weight has a zero gradient",
    "a Function reads its cotangent's storage and ignores the strides",
    "a Function clamps its cotangent",
    "a gradient of 1e-7 that is zero",
    "a gradient of 1e-7 with its sign flipped",
    "a Function overwrites its cotangent",
)
SEED = 0


@dataclass(frozen=True)
class Verdicts:
    """What was said of one bug: "passes", "FAILS", or what was raised; `given` says what torch was asked of."""

    name: str
    given: str
    slow: str
    fast: str
    ours: str


def verdicts(names: Sequence[str] = NAMES) -> Iterator[Verdicts]:
    """A module twice: called with its input, as its documentation does, and with its parameters as inputs too."""
    for mutant in (next(m for m in MUTANTS if m.name == name) for name in names):
        report = gk.examine(mutant.wrong(np.random.default_rng(SEED)), seed=SEED)
        said = "; ".join(f"{f.verdict.value}: {f.question}, {f.cause}" for f in report.findings if not f.verdict)
        if mutant.targets is None:
            with_subject = mutant.wrong(np.random.default_rng(SEED))
            wrapped = [subjects_in_torch.wrapped(with_subject) for _ in range(2)]
            yield Verdicts(mutant.name, "its input", _said(wrapped[0], False), _said(wrapped[1], True), said)
            continue
        target, inputs = mutant.targets[1](np.random.default_rng(SEED))
        for parameters in (False, True) if hasattr(target, "named_parameters") else (False,):
            slow, fast = (
                _said(subjects_in_torch.of_target(target, inputs, SEED, parameters), mode) for mode in (False, True)
            )
            yield Verdicts(mutant.name, "its input and parameters" if parameters else "its input", slow, fast, said)


def _said(asked: subjects_in_torch.Asked, fast: bool) -> str:
    try:
        return "passes" if subjects_in_torch.passes(asked, SEED, fast) else "FAILS"
    except Exception as error:
        return f"raises {type(error).__name__}"
