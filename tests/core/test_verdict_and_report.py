"""What counts as agreement, and what a report says of it."""

import json
import math
import pickle
from dataclasses import FrozenInstanceError, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gradcheck_kit.report import SCHEMA, Cost, Finding, GradientCheckError, LeftOut, Report
from gradcheck_kit.verdict import (
    CLEAR_MARGIN,
    CLEAR_PART,
    CLEARING,
    COARSE_MARGIN,
    COARSE_PART,
    DEFAULT_REQUIRE,
    REQUIRE_BESIDE_FLOAT64,
    Comparison,
    Outcome,
    Verdict,
    of_ratio,
    overall,
)

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
AGREES, EXCUSED, STRIKE, UNDECIDED = Outcome.AGREES, Outcome.EXCUSED, Outcome.STRIKE, Outcome.UNDECIDED
NAN, INF = math.nan, math.inf
REQUIRE = 1e-6

# ---------------------------------------------------------------- verdicts


def test_only_pass_is_true() -> None:
    assert [bool(verdict) for verdict in (PASS, FAIL, INCONCLUSIVE)] == [True, False, False]


@pytest.mark.parametrize("count", range(4))
def test_overall_is_fail_if_any_failed_and_pass_only_if_all_of_some_passed(count: int) -> None:
    for seen in product(Verdict, repeat=count):
        if FAIL in seen:
            wanted = FAIL
        elif seen and set(seen) == {PASS}:
            wanted = PASS
        else:
            wanted = INCONCLUSIVE
        assert overall(iter(seen)) is wanted


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.0, PASS),
        (1.0, PASS),
        (math.nextafter(1.0, 2.0), INCONCLUSIVE),
        (CLEAR_MARGIN, INCONCLUSIVE),
        (math.nextafter(CLEAR_MARGIN, 4.0), FAIL),
        (INF, FAIL),
        (NAN, INCONCLUSIVE),
    ],
)
def test_a_ratio_to_its_bound_passes_up_to_one_and_fails_beyond_the_margin(ratio: float, verdict: Verdict) -> None:
    assert of_ratio(ratio) is verdict


def test_the_demand_on_a_pass_is_laxer_for_coarser_formats() -> None:
    demands = [DEFAULT_REQUIRE[name] for name in ("float64", "float32", "float16", "bfloat16")]
    assert demands == sorted(demands)
    assert all(0 < demand < 1 for demand in demands)


def comparison(
    analytic: float = 1.0,
    numeric: float = 1.0,
    bound: float = 1e-9,
    scale: float = 1.0,
    slope: float = 1.0,
    ground: float = 1.0,
    bound_at_kink: float | None = None,
    own: float = 0.0,
    coarse: bool = False,
) -> Comparison:
    return Comparison(analytic, numeric, bound, scale, slope, ground, bound_at_kink, own, coarse)


OUTCOMES = {
    "equal": (comparison(), AGREES),
    "apart by exactly the bound": (comparison(analytic=0.25, numeric=0.25 + 2**-30, bound=2.0**-30), AGREES),
    "equal, bound too wide for the demand": (comparison(bound=1e-3), UNDECIDED),
    "equal, infinite bound": (comparison(bound=INF), UNDECIDED),
    "equal, bound NaN": (comparison(bound=NAN), UNDECIDED),
    "apart by two bounds": (comparison(analytic=1 + 2e-9), UNDECIDED),
    "apart by four bounds": (comparison(analytic=1 + 4e-9), STRIKE),
    "apart by four bounds below": (comparison(analytic=1 - 4e-9), STRIKE),
    "opposite sign": (comparison(analytic=-1.0), STRIKE),
    "apart by many bounds, which are wide beside the derivative": (
        comparison(analytic=100.0, scale=1.0, slope=1.0, bound=0.5),
        UNDECIDED,
    ),
    "the same with a bound small beside the slope": (
        comparison(analytic=100.0, scale=1.0, slope=100.0, bound=0.5),
        STRIKE,
    ),
    "analytic NaN": (comparison(analytic=NAN), STRIKE),
    "analytic inf": (comparison(analytic=-INF), STRIKE),
    "numeric NaN": (comparison(numeric=NAN), UNDECIDED),
    "numeric inf": (comparison(numeric=INF), UNDECIDED),
    "at a kink, numeric inf": (comparison(numeric=INF, bound_at_kink=1.0), UNDECIDED),
    "both NaN": (comparison(analytic=NAN, numeric=NAN), STRIKE),
    "both inf": (comparison(analytic=INF, numeric=INF), STRIKE),
    "zero gradient of a function that is not steep": (comparison(analytic=0.0, numeric=1e-12, scale=0.0), AGREES),
    "zero gradient, ground too small to tell": (
        comparison(analytic=0.0, numeric=1e-12, scale=0.0, ground=1e-4),
        UNDECIDED,
    ),
    "zero gradient, zero ground": (comparison(analytic=0.0, numeric=0.0, scale=0.0, ground=0.0), UNDECIDED),
    "zero gradient, derivative is not": (comparison(analytic=0.0, numeric=1.0, scale=0.0), STRIKE),
    "no derivative, gradient is not": (comparison(analytic=1.0, numeric=0.0, slope=0.0), STRIKE),
    "no derivative, a gradient that is all rounding": (
        comparison(analytic=1e-17, scale=1e-17, own=2e-17, numeric=0.0, slope=0.0),
        AGREES,
    ),
    "no derivative to be seen beside large values, a gradient with all its digits": (
        comparison(analytic=1.0, own=1e-6, numeric=0.0, slope=0.0, bound=30.0, ground=1e10),
        UNDECIDED,
    ),
    "everything zero, exactly": (comparison(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), AGREES),
    "exact and different": (comparison(analytic=1.0, numeric=2.0, bound=0.0), STRIKE),
    "the sum cancels, the size does not": (comparison(analytic=1e-15, numeric=0.0, scale=1.0, bound=1e-9), AGREES),
    "at a kink, the mean slope itself": (comparison(bound_at_kink=1.0), AGREES),
    "at a kink, the right-hand slope": (comparison(analytic=2.0, bound_at_kink=1.0), EXCUSED),
    "at a kink, the left-hand slope": (comparison(analytic=0.0, bound_at_kink=1.0, scale=0.0), EXCUSED),
    "at a kink, beyond both": (comparison(analytic=2.5, bound_at_kink=1.0), UNDECIDED),
    "at a kink, opposite sign": (comparison(analytic=-1.0, bound_at_kink=1.0), UNDECIDED),
    "at a kink, between, nothing else known": (comparison(analytic=1.5, bound=INF, bound_at_kink=1.0), EXCUSED),
    "at a kink, the mean slope, bound too wide": (comparison(bound=1e-3, bound_at_kink=1.0), EXCUSED),
    "at a kink, analytic NaN": (comparison(analytic=NAN, bound_at_kink=1.0), STRIKE),
    "at a kink, analytic inf": (comparison(analytic=INF, bound_at_kink=1.0), STRIKE),
    "at a kink, numeric NaN": (comparison(numeric=NAN, bound_at_kink=1.0), UNDECIDED),
    "at a kink, its bound NaN": (comparison(analytic=1.5, bound_at_kink=NAN), UNDECIDED),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_truth_table_of_one_comparison(name: str) -> None:
    given, wanted = OUTCOMES[name]
    assert given.outcome(REQUIRE) is wanted


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_the_outcome_does_not_depend_on_the_unit(name: str, factor: float) -> None:
    given, wanted = OUTCOMES[name]
    sizes = {field: value for field, value in vars(given).items() if isinstance(value, float)}
    scaled = replace(given, **{field: factor * value for field, value in sizes.items()})
    assert scaled.outcome(REQUIRE) is wanted


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_laxer_demand_never_turns_agreement_away_and_never_makes_a_strike(name: str) -> None:
    given, _ = OUTCOMES[name]
    strict, lax = given.outcome(1e-12), given.outcome(0.5)
    assert (strict is STRIKE) == (lax is STRIKE)
    if strict is AGREES:
        assert lax is AGREES


@pytest.mark.parametrize("name", [name for name, (given, _) in OUTCOMES.items() if given.bound_at_kink is None])
def test_a_kink_takes_every_strike_back_but_that_of_a_gradient_that_is_not_finite(name: str) -> None:
    given, wanted = OUTCOMES[name]
    at_kink = replace(given, bound_at_kink=0.0).outcome(REQUIRE)
    assert (at_kink is STRIKE) == (not math.isfinite(given.analytic))
    assert (at_kink is AGREES) == (wanted is AGREES)


def test_what_a_kink_excuses_is_no_agreement_and_clears_nothing() -> None:
    excused = comparison(analytic=1.5, bound_at_kink=1.0)
    assert excused.outcome(REQUIRE) is EXCUSED
    assert not excused.clears(comparison(analytic=1e9), REQUIRE)


def test_the_demand_beside_a_float64_forward_is_sharper_or_the_same() -> None:
    assert REQUIRE_BESIDE_FLOAT64.keys() == DEFAULT_REQUIRE.keys()
    assert all(REQUIRE_BESIDE_FLOAT64[name] <= demand for name, demand in DEFAULT_REQUIRE.items())
    assert REQUIRE_BESIDE_FLOAT64["float32"] < DEFAULT_REQUIRE["float32"]


@pytest.mark.parametrize(("coarse", "part"), [(False, CLEAR_PART), (True, COARSE_PART)])
def test_a_strike_needs_a_bound_small_beside_the_derivative(coarse: bool, part: float) -> None:
    for bound, wanted in ((0.9 * part, STRIKE), (1.1 * part, UNDECIDED)):
        given = comparison(analytic=10.0, scale=1.0, slope=1.0, bound=bound, coarse=coarse)
        assert given.outcome(REQUIRE) is wanted


def test_half_precision_demands_more_bounds_of_discrepancy() -> None:
    between = comparison(analytic=1.0, numeric=0.5, bound=0.1)
    assert CLEAR_MARGIN < between.discrepancy / between.bound < COARSE_MARGIN
    assert between.outcome(REQUIRE) is STRIKE
    assert replace(between, coarse=True).outcome(REQUIRE) is UNDECIDED


@pytest.mark.parametrize(
    ("bound", "scale", "ground", "resolution"),
    [
        (1e-9, 2.0, 7.0, 5e-10),
        (1e-9, 0.0, 4.0, 2.5e-10),
        (0.0, 0.0, 0.0, 0.0),
        (1e-9, 0.0, 0.0, INF),
        (INF, 1.0, 1.0, INF),
        (NAN, 1.0, 1.0, INF),
    ],
)
def test_the_resolution_is_the_bound_beside_the_gradient_or_else_the_ground(
    bound: float, scale: float, ground: float, resolution: float
) -> None:
    assert comparison(bound=bound, scale=scale, ground=ground).resolution == pytest.approx(resolution)


def test_an_agreement_clears_an_earlier_strike_only_if_it_would_have_seen_it() -> None:
    strike = comparison(analytic=1 + 3e-8)
    assert strike.outcome(REQUIRE) is STRIKE
    sharp, blunt = (comparison(bound=f * strike.discrepancy / CLEARING) for f in (0.99, 1.01))
    assert sharp.clears(strike, REQUIRE)
    assert not blunt.clears(strike, REQUIRE)
    assert blunt.outcome(REQUIRE) is AGREES


@pytest.mark.parametrize(
    "unfit", [comparison(analytic=2.0), comparison(numeric=NAN), comparison(bound=1e-3), comparison(analytic=NAN)]
)
def test_what_does_not_agree_clears_nothing(unfit: Comparison) -> None:
    assert not unfit.clears(comparison(analytic=1e9), REQUIRE)


def test_a_strike_that_is_not_finite_is_cleared_by_nothing_when_nan() -> None:
    assert not comparison().clears(comparison(analytic=NAN), REQUIRE)


# ---------------------------------------------------------------- reports

GOOD = Finding("directional", PASS, "the gradient of x agrees", "x", None, 1.0, 1.0, 1e-9, 2e-9)
PLAIN = Finding("contract", PASS, "all is well")
WRONG = Finding("directional", FAIL, "wrong at W[1, 2]\nline two", "W", (1, 2), 2.0, 1.0, 1e-9, None, "sign-flip")
OPEN = Finding("directional", INCONCLUSIVE, "noise", "b", cause="noise")
NOT_ADJOINT = Finding("adjoint", FAIL, "the JVP along x and the VJP disagree", "x", cause="not-adjoint")
OVERWRITTEN = Finding("purity", FAIL, "the forward overwrites x", "x", cause="mutated-input", of_forward=True)


def report(*findings: Finding, **changes: Any) -> Report:
    given = Report(
        subject="Affine",
        findings=findings,
        seed=3,
        cost=Cost(12, 4, 0.25),
        dtype="float64",
        device="cpu",
        library="numpy",
        require=1e-6,
        environment={"python": "3"},
    )
    return replace(given, **changes)


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ((GOOD, WRONG, OPEN), "FAIL  Affine: the backward pass is wrong (W)"),
        ((GOOD, NOT_ADJOINT, OPEN), "FAIL  Affine: the JVP and the backward pass disagree (x)"),
        ((NOT_ADJOINT, WRONG), "FAIL  Affine: the backward pass is wrong (x, W)"),
        ((OVERWRITTEN, OPEN), "FAIL  Affine: the forward pass is wrong (x)"),
        ((OVERWRITTEN, WRONG), "FAIL  Affine: the forward and the backward pass are wrong (x, W)"),
    ],
)
def test_the_first_line_blames_what_was_found_wrong(findings: tuple[Finding, ...], told: str) -> None:
    assert str(report(*findings)).splitlines()[0] == told


VERDICTS = [
    ((), INCONCLUSIVE),
    ((PLAIN,), INCONCLUSIVE),  # nothing was compared
    ((GOOD,), PASS),
    ((PLAIN, GOOD), PASS),
    ((GOOD, OPEN), INCONCLUSIVE),
    ((GOOD, OPEN, WRONG), FAIL),
    ((WRONG,), FAIL),
    ((PLAIN, OPEN), INCONCLUSIVE),
]


@pytest.mark.parametrize(("findings", "verdict"), VERDICTS)
def test_a_pass_needs_findings_that_all_passed_and_a_derivative_compared(
    findings: tuple[Finding, ...], verdict: Verdict
) -> None:
    made = report(*findings)
    assert made.verdict is verdict
    assert bool(made) == (verdict is PASS)


@pytest.mark.parametrize(("findings", "verdict"), VERDICTS)
def test_the_first_line_has_the_verdict_and_the_name(findings: tuple[Finding, ...], verdict: Verdict) -> None:
    first = str(report(*findings)).splitlines()[0]
    assert first.startswith(f"{verdict.value}  Affine")
    assert ("agrees; an error of" in first) == (verdict is PASS)


def test_the_first_line_of_a_failure_names_what_failed_only() -> None:
    first = str(report(GOOD, OPEN, WRONG)).splitlines()[0]
    assert "(W)" in first


def test_the_text_has_every_line_of_every_finding_that_did_not_pass_and_no_other() -> None:
    text = str(report(GOOD, OPEN, WRONG, left_out=(LeftOut("purity"),)))
    for part in ("wrong at W[1, 2]", "line two", "noise", "not asked: purity", "seed 3", "12 forward + 4 backward"):
        assert part in text
    assert GOOD.message not in text


LEFT_OUT = (LeftOut("purity"), LeftOut("adjoint", "no JVP"), LeftOut("vmap", "f raises (here)"), LeftOut("W", "no JVP"))


def test_what_was_left_out_is_told_by_its_reasons() -> None:
    made = report(GOOD, left_out=LEFT_OUT)
    assert "not asked: purity; adjoint, W (no JVP); vmap (f raises (here))" in str(made)
    assert made.not_asked == ("purity", "adjoint (no JVP)", "vmap (f raises (here))", "W (no JVP)")
    assert made.to_dict()["not_asked"] == list(made.not_asked)


@pytest.mark.parametrize("item", LEFT_OUT, ids=str)
def test_what_was_left_out_can_be_read_from_its_words(item: LeftOut) -> None:
    assert LeftOut.read(str(item)) == item


def test_the_text_and_the_plain_values_tell_what_was_differentiated_where_it_is_not_the_subject_itself() -> None:
    native, wide = report(GOOD), report(GOOD, reference="float64", dtype="float32")
    assert "float64 on cpu, seed 3" in str(native)
    assert "float32 on cpu beside a forward in float64, seed 3" in str(wide)
    assert [made.to_dict()["reference"] for made in (native, wide)] == ["native", "float64"]


def test_a_report_without_a_comparison_says_that_nothing_was_compared() -> None:
    assert "nothing was compared" in str(report(PLAIN))
    assert "nothing was compared" not in str(report(GOOD))


def test_the_resolution_is_that_of_the_bluntest_comparison() -> None:
    assert report(GOOD, replace(GOOD, resolution=1e-7), PLAIN).resolution == 1e-7
    assert report(PLAIN).resolution is None
    assert report().resolution is None


def strict(value: Any) -> Any:
    """Through JSON as the standard has it: no NaN, no Infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(json.dumps(value, allow_nan=False), parse_constant=refuse)


NOT_FINITE = [
    replace(WRONG, **{field: value})
    for field in ("analytic", "numeric", "error", "resolution")
    for value in (NAN, INF, -INF)
]


@pytest.mark.parametrize("findings", [f for f, _ in VERDICTS] + [(finding,) for finding in NOT_FINITE])
def test_a_report_is_strict_json_whatever_is_in_it(findings: tuple[Finding, ...]) -> None:
    made = report(*findings, left_out=(LeftOut("purity"),))
    given = strict(made.to_dict())
    assert given == made.to_dict()
    assert given["schema"] == SCHEMA
    assert given["verdict"] == made.verdict.value
    assert len(given["findings"]) == len(findings)
    assert given["cost"] == {"forward": 12, "vjp": 4, "seconds": 0.25}
    for finding, plain in zip(findings, given["findings"], strict=True):
        assert plain["message"] == finding.message
        assert plain["index"] == (None if finding.index is None else list(finding.index))


def test_a_report_written_to_a_file_reads_back_the_same(tmp_path: Path) -> None:
    made = report(GOOD, *NOT_FINITE, replace(GOOD, message="∂ × µ"))
    path = tmp_path / "report.json"
    made.to_json(path)
    assert strict(json.loads(path.read_text(encoding="utf-8"))) == made.to_dict()
    made.to_json(str(path))
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize(("value", "field"), [(report(GOOD), "seed"), (GOOD, "verdict"), (Cost(1, 1, 0.0), "vjp")])
def test_results_are_frozen(value: Any, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, 7)


def test_a_gradient_check_error_is_an_assertion_error_that_carries_its_report_and_pickles() -> None:
    made = report(WRONG)
    error = GradientCheckError(made)
    assert isinstance(error, AssertionError)
    assert error.report is made
    assert str(error) == str(made)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is GradientCheckError
    assert again.report == made
    assert str(again) == str(error)


def test_a_report_is_equal_to_its_copy_and_to_no_other() -> None:
    assert report(GOOD) == report(GOOD)
    assert report(GOOD) != report(WRONG)
    assert pickle.loads(pickle.dumps(report(GOOD))) == report(GOOD)
