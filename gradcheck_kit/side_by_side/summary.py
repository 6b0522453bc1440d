"""The report of a training run, from what is known of its steps."""

import math

import numpy as np

from gradcheck_kit.side_by_side.diagnosis import told
from gradcheck_kit.side_by_side.digits import Digits
from gradcheck_kit.side_by_side.distance import distance, losses_apart
from gradcheck_kit.side_by_side.each_step import undecided
from gradcheck_kit.side_by_side.parity_report import ParityReport, SideReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.trace import Trace, largest
from gradcheck_kit.side_by_side.trainee import Trainee


def summary(
    name: str, sides: tuple[Trainee, Trainee], schedule: Schedule, digits: Digits, trace: Trace, replayed: bool
) -> ParityReport:
    """What is known so far; `replayed` is whether branch decisions were compared and followed."""
    losses = np.array(trace.losses, float).reshape(-1, 2)
    reference, candidate = (_side(sides, trace, i) for i in range(2))
    names = (reference.name, candidate.name)
    with np.errstate(invalid="ignore"):
        law = np.array(trace.drift) / np.array(trace.allowed)
    return ParityReport(
        name=name,
        dtype=digits.coarser,
        digits=digits.words(names),
        precision=digits.precision,
        reference=reference,
        candidate=candidate,
        schedule=schedule.to_dict(),
        max_loss_difference=largest(losses_apart(losses).tolist()),
        max_distance=largest(trace.drift),
        worst_of_law=largest(law.tolist()),
        max_difference={name: largest(values) for name, values in trace.tensor_drift.items()},
        divergence=told(trace.divergence, trace.open),
        losses=losses,
        drift=np.array(trace.drift),
        allowed=np.array(trace.allowed),
        loss_allowed=np.array(trace.loss_allowed),
        tensor_drift={name: np.array(values) for name, values in trace.tensor_drift.items()},
        replayed=replayed,
        decisions=trace.decisions,
        ledger=tuple(trace.ledger),
        notes=tuple(trace.notes),
        moved=distance(sides[0].parameters(), schedule.parameters).relative,
        stepwise=digits.stepwise,
        by_step={stage: (used, least, most) for stage, (used, least, most) in trace.used.items()},
        undecided=undecided(names, digits, trace),
    )


def _side(sides: tuple[Trainee, Trainee], trace: Trace, i: int) -> SideReport:
    return SideReport(
        sides[i].name,
        sides[i].device,
        sides[i].dtype,
        tuple(losses[i] for losses in trace.train_loss),
        tuple(pair[i] for pair in trace.accuracy if not math.isnan(pair[i])),
        trace.seconds[i],
    )
