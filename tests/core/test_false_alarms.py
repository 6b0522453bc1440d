"""In float32 no right gradient of a layer is called wrong, one that is 1 % too large always is; and so in a network.

The same subjects at thousands of points: `benchmarks.false_alarms`, `benchmarks.relu_network`.
"""

import math

import numpy as np
import pytest

import gradcheck_kit as gk
from benchmarks import false_alarms
from benchmarks import relu_network as network_benchmark
from benchmarks.false_alarms import SUBJECTS, Asked
from gradcheck_kit.verdict import Verdict
from tests.mutants.relu_network import NETWORK_BUGS, DType, relu_network

NARROW = (5, 12, 12, 12)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# At an even seed every gradient is too large, at an odd one that of one input.
every_subject = pytest.mark.parametrize(
    ("subject", "seed"), [pytest.param(s, i, id=s.name) for i, s in enumerate(SUBJECTS)]
)


@every_subject
def test_beside_float64_the_right_gradient_passes_and_one_percent_too_much_fails(subject: Asked, seed: int) -> None:
    right, wrong = (gk.examine(make(seed), seed=seed) for make in (subject.right, subject.wrong))
    assert right.verdict is Verdict.PASS, right
    assert wrong.verdict is Verdict.FAIL, wrong


@every_subject
def test_in_float32_alone_the_right_gradient_never_fails(subject: Asked, seed: int) -> None:
    report = gk.examine(subject.right(seed), seed=seed, reference="native")
    assert report.verdict is not Verdict.FAIL, report


@every_dtype
def test_the_right_gradient_of_a_relu_network_passes(dtype: DType) -> None:
    for seed in range(3):
        report = gk.examine(relu_network(np.random.default_rng(seed), dtype, widths=NARROW), seed=seed)
        assert report.verdict is Verdict.PASS, f"seed {seed}\n{report}"


@pytest.mark.parametrize("number", range(len(NETWORK_BUGS)), ids=[bug.name for bug in NETWORK_BUGS])
def test_a_bug_in_one_layer_of_a_relu_network_fails(number: int) -> None:
    dtype: DType = (np.float32, np.float64)[number % 2]
    report = gk.examine(relu_network(np.random.default_rng(number), dtype, NETWORK_BUGS[number], NARROW), seed=number)
    assert report.verdict is Verdict.FAIL, report


def test_a_tally_shows_what_is_not_as_it_should_be() -> None:
    tally = false_alarms.Tally()
    right, wrong = SUBJECTS[0].right(0), SUBJECTS[0].wrong(0)
    tally.ask(right, 0, false_alarms.RIGHT_ONE, "beside float64")
    tally.ask(wrong, 0, false_alarms.WRONG_ONE, "beside float64")
    assert tally.notable == []
    tally.ask(wrong, 7, false_alarms.RIGHT_ONE, "beside float64")
    tally.ask(right, 8, false_alarms.WRONG_ONE, "beside float64")
    assert [(seed, verdict) for seed, _, _, verdict, _ in tally.notable] == [(7, "FAIL"), (8, "PASS")]
    *_, last = false_alarms.table({0: tally})
    assert last == "| **all** | 1 / 0 / 1 | 1 / 0 / 1 | 0 / 0 / 0 | 0 / 0 / 0 |"


def test_the_bugs_of_a_network_share_the_points_and_the_right_gradient_has_all_of_them() -> None:
    asked = list(network_benchmark.tasks(100))
    right = [
        seed for bug, dtype, seeds in asked for seed in seeds if (bug, dtype) == (network_benchmark.NONE, "float32")
    ]
    wrong = [seed for bug, _, seeds in asked for seed in seeds if bug != network_benchmark.NONE]
    assert right == list(range(100))
    share = math.ceil(100 / network_benchmark.PER_BUG_POINT / len(NETWORK_BUGS))
    assert sorted(wrong) == list(range(share * len(NETWORK_BUGS)))
    assert {bug for bug, _, _ in asked} == {network_benchmark.NONE, *(bug.name for bug in NETWORK_BUGS)}


@pytest.mark.parametrize(("seed", "reference"), [(21, None), (40, "native")])
def test_what_contradicts_the_excuse_of_a_kink_is_not_the_end(seed: int, reference: str | None) -> None:
    """Two elements of a pool are all but equal here: on the kink 1 % is undecided, beside it it is wrong."""
    (pool,) = (subject for subject in SUBJECTS if subject.name == "reference_impls MaxPool2d")
    for made, verdict in ((pool.right, "PASS"), (pool.wrong, "FAIL")):
        report = gk.examine(made(seed), seed=seed, reference=reference, questions="directional")
        assert report.verdict.value == verdict, report
