"""How long Hypothesis looks: on every push, at the desk, at night."""

from hypothesis import Phase, settings

# Not the phase "explain": it runs a failing check some hundred times more, and says little about arrays.
PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)
PROFILES: dict[str, dict[str, object]] = {
    "ci": {"derandomize": True, "database": None, "max_examples": 50},
    "dev": {"max_examples": 20},
    "nightly": {"derandomize": False, "max_examples": 1000},
}


def register_profiles() -> None:
    """Register the profiles `ci` (the same examples every time), `dev` (few) and `nightly` (many, from a new seed).

    In a `conftest.py`; choose with `--hypothesis-profile=ci`, or `hypothesis.settings.load_profile("ci")`. Where one of
    these names is taken it is replaced, also Hypothesis's own `ci`. None has a deadline: a first check imports torch.
    """
    for name, options in PROFILES.items():
        settings.register_profile(name, deadline=None, print_blob=True, phases=PHASES, **options)  # type: ignore[arg-type]
