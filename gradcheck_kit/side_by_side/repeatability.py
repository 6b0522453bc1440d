"""Does a side compute the same bits twice from the same start and batch? If not: which of its numbers differ."""

import numpy as np

from gradcheck_kit.side_by_side.given import handed
from gradcheck_kit.side_by_side.scene import twin_of, undisturbed
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, copied, offered


def not_repeated(side: Trainee, inputs: Values, labels: Values) -> list[str]:
    """One note for each side that is not deterministic or cannot be copied; the side itself is left alone."""
    made = [_made(side, inputs, labels) for _ in range(2)]
    if made[0] is None or made[1] is None:
        return [f"{side.name} cannot be copied, so it was not asked whether it is deterministic"]
    one, other = made[0], made[1]
    differ = [name for name, values in one.items() if not np.array_equal(values, other[name], equal_nan=True)]
    if not differ:
        return []
    told = ", ".join(differ)
    return [f"{side.name} is not deterministic: the first step, made twice, gave different bits of {told}"]


def _made(side: Trainee, inputs: Values, labels: Values) -> Named | None:
    with undisturbed(side):
        twin = twin_of(side)
        if twin is None:
            return None
        loss = twin.loss_and_gradients(handed(inputs), handed(labels))
        gradients = offered(twin, "gradients")
        held = {} if gradients is None else {f"the gradient of {n}": g for n, g in copied(gradients()).items()}
        twin.step()
        return {"the loss": np.asarray(loss), **held, **copied(twin.parameters())}
