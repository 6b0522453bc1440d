"""What is known of a training run step by step, and epoch by epoch; as arrays, so that a run can be interrupted."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.cause import Cause
from gradcheck_kit.side_by_side.distance import Distance
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.replay import Decision

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass
class Trace:
    """The run so far.

    Attributes:
        losses: (reference, candidate) after every step.
        norm: the largest ‖W‖ of the reference so far.
        norms: the same of every module's buffers.
        drift, allowed: D/‖W‖ and the law's bound on it, at the start and after every step.
        loss_allowed: by how much the losses may differ, after every step.
        tensor_drift: the same as drift of each tensor.
        train_loss, accuracy: (reference, candidate) of every epoch.
        seconds: of training, on both sides.
        divergence, ledger, decisions, notes: as in the report.
        used: by stage, the largest share of what rounding explains of a step, and the least and most that it explained.
        shown: by stage, in how many steps both sides showed it.
        blind: by stage and tensor, in how many steps rounding explained all of it.
        lost: (lost to rounding, due) updates of elements, of the reference and of the candidate.
        open: the causes between which the next step may decide.
    """

    losses: list[tuple[float, float]] = field(default_factory=list)
    norm: float = 0.0
    norms: dict[str, float] = field(default_factory=dict)
    drift: list[float] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)
    loss_allowed: list[float] = field(default_factory=list)
    tensor_drift: dict[str, list[float]] = field(default_factory=dict)
    train_loss: list[tuple[float, float]] = field(default_factory=list)
    accuracy: list[tuple[float, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])
    divergence: Divergence | None = None
    ledger: list[Decision] = field(default_factory=list)
    decisions: int = 0
    notes: list[str] = field(default_factory=list)
    open: list[Cause] = field(default_factory=list)
    used: dict[str, list[float]] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    blind: dict[str, int] = field(default_factory=dict)
    lost: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0], [0.0, 0.0]])

    @property
    def steps(self) -> int:
        return len(self.losses)

    def add_drift(self, now: Distance, allowed: float) -> None:
        """The distance of the parameters, and what rounding explains of D/‖W‖."""
        self.norm = now.norm
        self.drift.append(now.relative)
        self.allowed.append(allowed)
        for name in now.apart:
            self.tensor_drift.setdefault(name, []).append(now.relative_of(name))

    def to_arrays(self) -> Arrays:
        """For `np.savez`: no pickle is needed."""
        pairs = {name: np.array(getattr(self, name), float).reshape(-1, 2) for name in PAIRS}
        told = {
            "divergence": None if self.divergence is None else vars(self.divergence),
            "ledger": [asdict(decision) for decision in self.ledger],
            "decisions": self.decisions,
            "notes": self.notes,
            "open": [asdict(cause) for cause in self.open],
            "used": self.used,
            "shown": self.shown,
            "blind": self.blind,
            "lost": self.lost,
            "norm": self.norm,
            "norms": self.norms,
        }
        tensors = {f"tensor_drift/{name}": np.array(values) for name, values in self.tensor_drift.items()}
        series = {name: np.array(getattr(self, name), float) for name in SERIES}
        return {**pairs, **series, **tensors, "told": np.array(json.dumps(told))}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray[Any, Any]]) -> "Trace":
        """What `to_arrays` gave."""
        told = json.loads(str(arrays["told"]))
        ledger = [Decision(**{**entry, "index": tuple(entry["index"])}) for entry in told["ledger"]]
        tensors = {k.split("/", 1)[1]: v.tolist() for k, v in arrays.items() if k.startswith("tensor_drift/")}
        return cls(
            **{name: [(float(a), float(b)) for a, b in arrays[name]] for name in PAIRS},
            drift=arrays["drift"].tolist(),
            allowed=arrays["allowed"].tolist(),
            loss_allowed=arrays["loss_allowed"].tolist(),
            seconds=arrays["seconds"].tolist(),
            tensor_drift=tensors,
            divergence=None if told["divergence"] is None else Divergence(**told["divergence"]),
            ledger=ledger,
            decisions=told["decisions"],
            notes=told["notes"],
            open=[Cause(**entry) for entry in told["open"]],
            used=told["used"],
            shown=told["shown"],
            blind=told["blind"],
            lost=told["lost"],
            norm=told["norm"],
            norms=told["norms"],
        )


PAIRS = ("losses", "train_loss", "accuracy")
SERIES = ("drift", "allowed", "loss_allowed", "seconds")


def largest(values: list[float]) -> float:
    """The maximum, in which a NaN is not forgotten; 0 of nothing."""
    return float(np.max(np.array(values, float))) if values else 0.0
