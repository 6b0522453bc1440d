"""Which test is running, and what it was collected for."""

from dataclasses import dataclass

import pytest

from gradcheck_kit.pytest_plugin.marker import NAME, marked
from gradcheck_kit.pytest_plugin.options import ALL_DEVICES, Options

OPTIONS = pytest.StashKey[Options]()
RUNNING = pytest.StashKey[pytest.Item]()
WHY_NOT = pytest.StashKey[str]()
DEVICE_PARAMETER = "_gradcheck_device"
DTYPE_PARAMETER = "_gradcheck_dtype"


@dataclass(frozen=True)
class Defaults:
    """What a check is made with unless the call says otherwise; None for a device or dtype that was not asked for."""

    device: str | None
    dtype: str | None
    require: float | None
    seed: int


def defaults_of(item: pytest.Item) -> Defaults:
    """From the markers of a test and the options of the run."""
    said, parameters = marked(item), _parameters(item)
    seed = item.config.stash[OPTIONS].seed if said.seed is None else said.seed
    return Defaults(parameters.get(DEVICE_PARAMETER), parameters.get(DTYPE_PARAMETER), said.require, seed)


def parametrise(metafunc: pytest.Metafunc) -> None:
    """Collect a test once for each device and dtype of its marker, whether this machine has them or not.

    Raises:
        MarkerError: an argument of the marker is unknown or of no use.
    """
    if metafunc.definition.get_closest_marker(NAME) is None:
        return
    said = marked(metafunc.definition)
    if "gradcheck" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash[OPTIONS].devices or ALL_DEVICES
    devices = dict.fromkeys(name for device in said.devices for name in (run if device == "all" else (device,)))
    for name, values in ((DEVICE_PARAMETER, list(devices)), (DTYPE_PARAMETER, list(said.dtypes))):
        if values:
            metafunc.fixturenames.append(name)  # pytest parametrises what a test takes, and this it need not take
            metafunc.parametrize(name, values, ids=values)


def skip_unless_present(item: pytest.Item) -> None:
    """Skip a test whose device was left out or is absent, with a reason that names what was not run."""
    device = _parameters(item).get(DEVICE_PARAMETER)
    named = item.config.stash[OPTIONS].devices
    if device is None:
        return
    why = f"--gradcheck-device={','.join(named)}" if named is not None and device not in named else _absent(device)
    if why:
        item.stash[WHY_NOT] = why
        pytest.skip(f"{why} ({item.name} was not run)")


def _absent(device: str) -> str:
    if device == "cpu":
        return ""
    from gradcheck_kit.pytest_plugin.devices import why_absent

    return why_absent(device)


def _parameters(item: pytest.Item) -> dict[str, str]:
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else dict(callspec.params)
