"""The object behind the fixture `gradcheck`: the verbs of the library, recorded."""

from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_kit.pytest_plugin import journal
from gradcheck_kit.pytest_plugin.running import RUNNING, Defaults, defaults_of

if TYPE_CHECKING:
    import numpy as np

    from gradcheck_kit.report import Report


class GradCheck:
    """`gradcheck(target, *inputs, **options)` is `gradcheck_kit.check`, and its report is part of the run's record.

    One object serves the whole session, so that it can be used inside `@given`; it asks which test is running.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def __call__(self, target: Any, *inputs: Any, **options: Any) -> "Report":
        """As `gradcheck_kit.check`, with the defaults of the test's marker.

        Raises:
            GradientCheckError: the verdict is FAIL or INCONCLUSIVE.
            UsageError: the call cannot be carried out, or was not made on the marker's device and dtype.
        """
        from gradcheck_kit.report import GradientCheckError

        report = self.examine(target, *inputs, **options)
        if not report:
            raise GradientCheckError(report)
        return report

    def examine(self, target: Any, *inputs: Any, **options: Any) -> "Report":
        """As `gradcheck_kit.examine`: never raises for a wrong gradient."""
        from gradcheck_kit.engine import examine
        from gradcheck_kit.pytest_plugin.devices import expect_as_marked

        report = examine(target, *inputs, **{"seed": self.seed, "require": self._defaults.require, **options})
        expect_as_marked(report, self._defaults)
        journal.note(self._item, report)
        return report

    def explore(self, target: Any, /, **options: Any) -> "Report":
        """As `gradcheck_kit.explore`, and raises as `check` does. It draws dtypes itself, on the CPU."""
        from gradcheck_kit.exploration.search import explore
        from gradcheck_kit.report import GradientCheckError
        from gradcheck_kit.subject import UsageError

        defaults = self._defaults
        if defaults.device not in (None, "cpu") or defaults.dtype is not None or defaults.require is not None:
            raise UsageError("gradcheck.explore draws the dtype itself, on the CPU; mark its test with seed= alone")
        report = explore(target, **{"seed": defaults.seed, **options})
        journal.note(self._item, report)
        if not report:
            raise GradientCheckError(report)
        return report

    def __repr__(self) -> str:
        return "<fixture gradcheck>"  # what pytest and Hypothesis show in a failure

    @property
    def device(self) -> str:
        """The device that the running test was collected for; "cpu" where its marker names none."""
        return self._defaults.device or "cpu"

    @property
    def dtype(self) -> str:
        """The dtype that the running test was collected for; "float64" where its marker names none."""
        return self._defaults.dtype or "float64"

    @property
    def seed(self) -> int:
        """The seed of the running test's checks."""
        return self._defaults.seed

    @property
    def rng(self) -> "np.random.Generator":
        """A fresh generator from that seed, for the test's inputs."""
        from gradcheck_kit.provenance import generator_of

        return generator_of(self.seed)

    def to(self, *values: Any) -> Any:
        """Copies of arrays, tensors or modules on the test's device; what is floating-point in it, in its dtype.

        One value gives one, several a tuple. Where the marker names no device or dtype, that stays as it is.
        """
        from gradcheck_kit.pytest_plugin.devices import moved

        defaults = self._defaults
        there = tuple(moved(value, defaults) for value in values)
        return there[0] if len(there) == 1 else there

    @property
    def _item(self) -> pytest.Item:
        item = self._config.stash.get(RUNNING, None)
        if item is None:
            raise RuntimeError("the fixture gradcheck is for running tests; call gradcheck_kit.check elsewhere")
        return item

    @property
    def _defaults(self) -> Defaults:
        return defaults_of(self._item)
