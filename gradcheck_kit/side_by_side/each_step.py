"""In few digits the law on whole runs is wide, so every step is judged by itself, too.

Both sides start a step from their own parameters, so that nothing that has grown before counts: forward and gradients
beside float64 from the same parameters, the update beside the reference's own, given the same gradient and state. The
update is no product and keeps the parameters' digits: where those are float32, a ten-thousandth of a step shows in it.
"""

from collections.abc import Sequence

import numpy as np

from gradcheck_kit.side_by_side.digits import Digits
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.scene import Scene
from gradcheck_kit.side_by_side.stages import Apart, compared
from gradcheck_kit.side_by_side.trace import Trace

NEEDED = ("gradients", "update")
BLIND = 0.1  # of the steps: in a network that is sure of its examples a small gradient may be all rounding
OFFERS = "gradients(), state() and, of the reference, widened(), load_state() and set_gradients()"


def judge(scene: Scene, trace: Trace) -> Apart | None:
    """The first stage and tensor of this step that is worse than rounding, None if there is none.

    How much of what rounding explains was used goes to the trace.
    """
    shown = set()
    for apart in compared(scene):
        if apart.beyond:
            return apart
        shown.add(apart.stage)
        if apart.allowed >= 1.0:  # a tensor of zeros would be within it
            what = f"{apart.stage} of {apart.tensor}"
            trace.blind[what] = trace.blind.get(what, 0) + 1
        if apart.allowed:
            used, least, most = trace.used.get(apart.stage, (0.0, apart.allowed, apart.allowed))
            share = max(used, apart.apart / apart.allowed)
            trace.used[apart.stage] = [share, min(least, apart.allowed), max(most, apart.allowed)]
    for stage in NEEDED:
        trace.shown[stage] = trace.shown.get(stage, 0) + (stage in shown)
    return None


def count_lost(moments: Sequence[Moment], digits: Digits, trace: Trace) -> None:
    """Elements with a gradient that the update left as they were, on the sides that hold few digits."""
    for side, moment in enumerate(moments):
        if digits.few(side) and moment.gradients is not None:
            for name, gradient in moment.gradients.items():
                due = np.asarray(gradient, np.float64) != 0
                trace.lost[side][0] += float(np.sum(due & (moment.after[name] == moment.before[name])))
                trace.lost[side][1] += float(np.sum(due))


def undecided(names: Sequence[str], digits: Digits, trace: Trace) -> str | None:
    """Why a run without a difference beyond rounding shows too little for a PASS; None if it shows enough."""
    if not digits.stepwise or max(trace.drift) == 0.0:
        return None  # bit for bit the same needs no bound
    for side, name in enumerate(names):
        if digits.few(side):
            return _of_lost(name, digits.dtypes[side], *trace.lost[side])
    steps = trace.steps if trace.divergence is None else max(trace.divergence.step - 1, 0)  # no later one was judged
    if not steps:
        return None
    unseen = {stage: steps - trace.shown.get(stage, 0) for stage in NEEDED}
    told = " and ".join(f"the {stage} of {count} of {steps} steps" for stage, count in unseen.items() if count)
    if told:
        return f"{told} could not be compared, and the law alone excludes little here; offer {OFFERS}"
    blind = [(n, what) for what, n in trace.blind.items() if what.startswith(NEEDED) and n > BLIND * steps]
    if not blind:
        return None
    count, what = max(blind)
    told = f"in {count} of {steps} steps rounding may be as large as the whole {what}"
    return f"{told}: a wrong one looks no different"


def _of_lost(name: str, dtype: str, lost: float, due: float) -> str:
    share = f"{lost / due:.0%}" if due else "an unknown share"
    told = (
        f"{name}'s parameters are {dtype}, and rounding left {share} of their elements unmoved that a step should move"
    )
    return f"{told}: a wrong update looks like a lost one. Keep them in float32, let products round (torch.autocast)"
