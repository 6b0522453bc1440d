"""Two training runs step by step: the same computation, or from which step and which tensor on not?"""

from collections.abc import Callable

from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.scene import Batch
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.trainee import Trainee, Values
from gradcheck_kit.side_by_side.training_run import Progress, TrainingRun

__all__ = ["Batch", "ParityReport", "Progress", "TrainingRun", "train_parity"]


def train_parity(  # noqa: PLR0913 - options, by keyword alone
    reference: Trainee,
    candidate: Trainee,
    schedule: Schedule,
    batch: Batch,
    *,
    test: tuple[Values, Values] | None = None,
    name: str = "training",
    progress: Callable[[Progress], None] | None = None,
    replay: bool | None = None,
    shadows: int | None = None,
    repeat: bool = False,
    precision: str | None = None,
) -> ParityReport:
    """Train both from the same start on the same batches and compare every parameter at every step.

    In float64 the verdict is sharp: rounding stays within `envelope.drift` and hardly anything else does. On the first
    step beyond it, the stage at which it began is named, and the cause where the numbers prove one.

    Args:
        reference, candidate: the two sides, of one dtype unless `precision` is given; both are trained, so pass fresh
            ones.
        schedule: the start and the order of the examples.
        batch: positions of examples → (inputs, labels); the same arrays whenever it is asked for the same positions.
        test: inputs and labels for the accuracy after every epoch, of the sides that offer one.
        name: what the report calls the run.
        progress: called after every step.
        replay: whether the candidate follows the reference's ReLU and max-pool decisions where rounding alone makes
            them differ. Left out: below float64, where both sides offer it.
        shadows: how many copies of the reference, which only round otherwise, are trained along to measure the law's
            constant. Left out: one where a side is no trainee of this package; where both are, none until the law is
            left by so little that rounding may explain it, and then two.
        repeat: whether each side's first step is made twice on copies, to note what is not deterministic.
        precision: "tf32", "bfloat16", "float16" or "float32", the coarsest format in which either side may round its
            products, or hold its parameters. Left out: the trainees' dtype. The law is then that format's and wide, so
            that every step is judged by itself, too.

    Raises:
        UsageError: the two have different dtypes and no precision is given, it is unknown or finer than a side's
            dtype, parameters do not fit the schedule, replay is asked of a side that has none, an argument or what a
            side tells is of another kind, or the two sides are one object or share arrays.
    """
    run = TrainingRun(
        reference,
        candidate,
        schedule,
        batch,
        test=test,
        replay=replay,
        shadows=shadows,
        repeat=repeat,
        precision=precision,
    )
    while not run.done:
        run.epoch(progress)
    return run.report(name)
