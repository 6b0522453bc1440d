"""The checkers that are set side by side, each asked of the very same gradient at the same point, with its defaults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from torch import Tensor

import gradcheck_kit as gk
from benchmarks import subjects_in_jax, subjects_in_torch, textbook
from gradcheck_kit.subject import in_words

PASSED, FLAGGED, UNDECIDED = "passed", "flagged", "undecided"


@dataclass(frozen=True)
class Case:
    """One gradient at one point; made afresh for every checker, since some of the bugs are in what is left behind.

    Attributes:
        subject: makes the subject.
        target: makes torch's own target and its tensors, where the subject is one; then torch is asked of that.
        seed: of the checkers.
    """

    subject: Callable[[], gk.Subject]
    target: Callable[[], tuple[Any, tuple[Tensor, ...]]] | None
    seed: int


@dataclass(frozen=True)
class Answer:
    """What a checker said, one of PASSED, FLAGGED and UNDECIDED; `raised` where it ended with an exception."""

    said: str
    why: str = ""
    raised: bool = False


@dataclass(frozen=True)
class Checker:
    """A checker.

    Attributes:
        name: of it.
        ask: case → its answer.
        needs: the module that must be installed.
    """

    name: str
    ask: Callable[[Case], Answer]
    needs: str = "torch"

    @property
    def absent(self) -> str:
        """Why it cannot run; empty where it can."""
        return "" if find_spec(self.needs) else f"{self.needs} is not installed: pip install 'gradcheck-kit[peers]'"

    def answer(self, case: Case) -> Answer:
        """Its answer; an exception, which nobody overlooks, counts as a flag."""
        try:
            return self.ask(case)
        except Exception as error:
            return Answer(FLAGGED, in_words(error, 100), raised=True)


def _ours(case: Case) -> Answer:
    report = gk.examine(case.subject(), seed=case.seed)
    said = {gk.Verdict.PASS: PASSED, gk.Verdict.FAIL: FLAGGED}.get(report.verdict, UNDECIDED)
    notable = {f"{f.question}, {f.cause or 'no cause'}" for f in report.findings if f.verdict is not gk.Verdict.PASS}
    return Answer(said, "; ".join(sorted(notable)))


def _torch(fast: bool) -> Callable[[Case], Answer]:
    def ask(case: Case) -> Answer:
        if case.target is not None:
            return _said(
                subjects_in_torch.passes(subjects_in_torch.of_target(*case.target(), case.seed), case.seed, fast)
            )
        subject = case.subject()
        with subject.session():
            return _said(subjects_in_torch.passes(subjects_in_torch.wrapped(subject), case.seed, fast))

    return ask


def _jax(case: Case) -> Answer:
    subject = case.subject()
    with subject.session():
        return _said(subjects_in_jax.passes(subject))


def _textbook(threshold: float) -> Callable[[Case], Answer]:
    def ask(case: Case) -> Answer:
        with np.errstate(all="ignore"):
            error = textbook.relative_error(case.subject(), case.seed)
        return Answer(PASSED if error <= threshold else FLAGGED, f"relative error {error:.1e}")

    return ask


def _said(passes: bool) -> Answer:
    return Answer(PASSED if passes else FLAGGED)


OURS = Checker("gradcheck_kit", _ours, "gradcheck_kit")
CHECKERS = (
    OURS,
    Checker("torch slow", _torch(fast=False)),
    Checker("torch fast", _torch(fast=True)),
    Checker("JAX check_grads", _jax, "jax"),
    Checker("textbook, 1e-5", _textbook(1e-5), "numpy"),
    Checker("textbook, 1e-7", _textbook(1e-7), "numpy"),
)


def installed() -> Iterator[Checker]:
    """Those that can run."""
    return (checker for checker in CHECKERS if not checker.absent)
