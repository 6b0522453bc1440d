"""The course of a search: the examples on trial, and what became of each."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from gradcheck_kit.exploration.axes import Axes
from gradcheck_kit.exploration.construction import Construction
from gradcheck_kit.exploration.own_dtype import OwnDtypeError
from gradcheck_kit.exploration.passing import over_all
from gradcheck_kit.exploration.structure import Example, Structure
from gradcheck_kit.exploration.trial import BESIDE, Outcome, Trial, tried
from gradcheck_kit.report import Exploration, Report
from gradcheck_kit.subject import UsageError

RAISING = 25  # examples that raise, and none that does not: the axes do not fit
OBSTACLES = 3  # named in a report


class EndError(Exception):
    """An example failed, or the time is spent: there is nothing more to draw."""


class Course:
    """Examples on trial, each once, and what became of them."""

    def __init__(self, construction: Construction, arrays: Mapping[str, Axes], seed: int) -> None:
        self.construction, self.arrays, self.seed = construction, arrays, seed
        self.trials: dict[Structure, Trial] = {}
        self.forward = self.vjp = 0
        self.demands, self._started = construction.demands, time.perf_counter()
        self.found: tuple[Example, Trial] | None = None

    def trial(self, example: Example) -> Trial:
        trial = tried(self.construction, example, self.seed)
        if trial.report is not None:
            self.forward += trial.report.cost.forward
            self.vjp += trial.report.cost.vjp
        return trial

    def trial_elsewhere(self, example: Example) -> Trial:
        """Of an example that nobody drew: one that cannot even be called tells nothing."""
        try:
            return self.trial(example)
        except (UsageError, OwnDtypeError) as error:
            return Trial(Outcome.RAISED, obstacle=str(error))

    def visit(self, structure: Structure) -> Trial:
        """The trial of one structure.

        Raises:
            EndError: it fails, or the time is spent.
            UsageError: nothing but exceptions was met, in `RAISING` examples.
        """
        if structure.dtype not in self.construction.dtypes:
            structure = replace(structure, dtype=self.construction.dtypes[0])
        if structure not in self.trials:
            if self.trials and self.spent():
                raise EndError
            try:
                self.trials[structure] = self.trial(structure.example(self.arrays))
            except OwnDtypeError:  # from now on the construction knows its dtype
                return self.visit(structure)
            self.demands.progress(len(self.trials))
        trial = self.trials[structure]
        if trial.outcome is Outcome.FAILED:
            self.found = structure.example(self.arrays), trial
            raise EndError
        if (
            trial.outcome is Outcome.RAISED
            and len(self.trials) >= RAISING
            and self.count(Outcome.RAISED) == len(self.trials)
        ):
            raise self.nothing_but_exceptions(trial)
        return trial

    def nothing_but_exceptions(self, trial: Trial) -> UsageError:
        """Every example raised, as this one did."""
        each = "the only drawn input" if len(self.trials) == 1 else f"each of {len(self.trials)} drawn inputs"
        return UsageError(
            f"{self.construction.title} raised on {each}, such as "
            f"{trial.obstacle} (at {trial.where}); do the axes fit? Arrays that share an axis name have the same "
            "length there; gk.axes(..., within=(low, high)) keeps values inside a domain"
        )

    def exceptions_beside(self, trial: Trial) -> UsageError:
        """No check came to its end, and this example itself went through: its axes fit."""
        raised = trial.obstacle.removeprefix(BESIDE)
        return UsageError(
            f"no check of {self.construction.title} came to its end: forward and backward returned at a drawn input, "
            f"and later in its check one raised {raised} (at {trial.where}). A check calls them many times, at points "
            "close by too: let each call depend on its arguments alone, or keep away from the edge of the domain with "
            "gk.axes(..., within=(low, high))"
        )

    def spent(self) -> bool:
        """Whether the time is over."""
        return self.demands.seconds is not None and time.perf_counter() - self._started >= self.demands.seconds

    def count(self, outcome: Outcome) -> int:
        return sum(trial.outcome is outcome for trial in self.trials.values())

    def obstacles(self) -> tuple[str, ...]:
        met = Counter(t.obstacle for t in self.trials.values() if t.outcome in (Outcome.UNDECIDED, Outcome.RAISED))
        shown = tuple(f"{what} ({count})" for what, count in met.most_common(OBSTACLES))
        others = sum(met.values()) - sum(count for _, count in met.most_common(OBSTACLES))
        return (*shown, f"others ({others})") if others else shown

    def nothing_found(self) -> Report:
        """The report over all examples, none of which failed.

        Raises:
            UsageError: none of them came to its end.
        """
        trials = list(self.trials.values())
        if all(trial.report is None for trial in trials):
            beside = next((trial for trial in trials if trial.outcome is Outcome.UNDECIDED), None)
            raise self.nothing_but_exceptions(trials[0]) if beside is None else self.exceptions_beside(beside)
        return over_all(trials, self.summary())

    def summary(self) -> Exploration:
        return Exploration(
            len(self.trials),
            self.count(Outcome.PASSED),
            self.count(Outcome.UNDECIDED),
            self.count(Outcome.RAISED),
            self.obstacles(),
        )
