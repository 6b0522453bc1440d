"""What two sides need to go on identically after an interruption, as arrays."""

from collections.abc import Mapping

import numpy as np

from gradcheck_kit.side_by_side.moment import Observer
from gradcheck_kit.side_by_side.trainee import Trainee, Values, offered, under
from gradcheck_kit.subject import UsageError

Sides = tuple[Trainee, Trainee]
ROLES = ("reference", "candidate")


def state_of_sides(sides: Sides, observers: tuple[Observer, ...]) -> dict[str, Values]:
    """Parameters, optimiser state and the latest step of both.

    Raises:
        UsageError: a side or its optimiser offers no state, or one that does not hold all.
    """
    arrays: dict[str, Values] = {}
    for role, side, observer in zip(ROLES, sides, observers, strict=True):
        _expect_no_obstacle(side)
        state = offered(side, "state")()
        arrays |= {f"{role}/parameters/{n}": np.array(a) for n, a in side.parameters().items()}
        arrays |= {f"{role}/state/{n}": np.array(a) for n, a in state.items()}
        arrays |= {f"{role}/latest/{key}": values for key, values in observer.to_arrays().items()}
    return arrays


def restored_sides(sides: Sides, arrays: Mapping[str, Values]) -> tuple[Observer, ...]:
    """Put both back, and return observers that know the latest step.

    Raises:
        UsageError: as `state_of_sides`.
    """
    observers = []
    for role, side in zip(ROLES, sides, strict=True):
        _expect_no_obstacle(side)
        offered(side, "load_state")(under(arrays, f"{role}/parameters/"), under(arrays, f"{role}/state/"))
        observers.append(Observer(side))
        observers[-1].restore(under(arrays, f"{role}/latest/"))
    return tuple(observers)


def obstacle(side: Trainee) -> str | None:
    """Why the progress of a side that was loaded cannot be saved; None if it can."""
    lacking = [method for method in ("state", "load_state") if offered(side, method) is None]
    if lacking:
        return f"{side.name} has no {'() and no '.join(lacking)}()"
    if offered(side, "state")() is None:
        return f"the optimiser of {side.name} does not tell its state: give it state_dict()"
    unsaved = offered(side, "unsaved")
    names = unsaved() if unsaved else ()
    return f"the state of {side.name} does not hold that of {', '.join(names)}" if names else None


def _expect_no_obstacle(side: Trainee) -> None:
    if why := obstacle(side):
        raise UsageError(f"{why}; a run of it cannot be interrupted and taken up again")
