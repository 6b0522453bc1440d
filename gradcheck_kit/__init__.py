"""gradcheck_kit: the gradient checker that needs no tolerance.

import gradcheck_kit as gk
gk.check(layer, x)          # raises GradientCheckError unless every gradient is shown to be right
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gradcheck_kit.adapters.build import function, layer, module
    from gradcheck_kit.cases import Case, case
    from gradcheck_kit.engine import check, examine
    from gradcheck_kit.exploration.axes import axes
    from gradcheck_kit.exploration.search import explore
    from gradcheck_kit.provenance import Budget
    from gradcheck_kit.report import Cost, Exploration, Finding, GradientCheckError, Report, Reproduction
    from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
    from gradcheck_kit.side_by_side.parity_report import ParityReport
    from gradcheck_kit.side_by_side.schedule import Schedule
    from gradcheck_kit.side_by_side.subjects import parity
    from gradcheck_kit.side_by_side.training import train_parity
    from gradcheck_kit.subject import Subject, UsageError
    from gradcheck_kit.verdict import Verdict

_HOME = {
    "check": "engine",
    "examine": "engine",
    "explore": "exploration.search",
    "axes": "exploration.axes",
    "layer": "adapters.build",
    "function": "adapters.build",
    "module": "adapters.build",
    "parity": "side_by_side.subjects",
    "train_parity": "side_by_side.training",
    "Schedule": "side_by_side.schedule",
    "NumPyTrainee": "side_by_side.numpy_trainee",
    "ParityReport": "side_by_side.parity_report",
    "Budget": "provenance",
    "Report": "report",
    "Finding": "report",
    "Cost": "report",
    "Exploration": "report",
    "Reproduction": "report",
    "GradientCheckError": "report",
    "Subject": "subject",
    "UsageError": "subject",
    "Verdict": "verdict",
    "Case": "cases",
    "case": "cases",
}

__all__ = [
    "Budget",
    "Case",
    "Cost",
    "Exploration",
    "Finding",
    "GradientCheckError",
    "NumPyTrainee",
    "ParityReport",
    "Report",
    "Reproduction",
    "Schedule",
    "Subject",
    "UsageError",
    "Verdict",
    "axes",
    "case",
    "check",
    "examine",
    "explore",
    "function",
    "layer",
    "module",
    "parity",
    "train_parity",
]


def __getattr__(name: str) -> Any:
    """Loads a public name on first use (PEP 562), so that the import costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
