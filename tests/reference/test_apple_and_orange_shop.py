"""The shop graph costs 715 and has the textbook's gradients."""

import subprocess
import sys

import pytest

from reference_impls.examples.apple_and_orange_shop import main, total_and_gradients


def test_two_apples_and_three_oranges_cost_715() -> None:
    total, _ = total_and_gradients()
    assert total == pytest.approx(715.0, rel=1e-15)


def test_every_gradient_is_the_textbooks() -> None:
    _, gradients = total_and_gradients()
    assert gradients == pytest.approx(
        {"apple_price": 2.2, "apple_count": 110, "orange_price": 3.3, "orange_count": 165, "tax": 650},
        rel=1e-15,
    )


def test_the_gradient_predicts_the_price_of_one_more_orange() -> None:
    total, gradients = total_and_gradients()
    dearer, _ = total_and_gradients(orange_count=4.0)
    assert dearer - total == pytest.approx(gradients["orange_count"])


def test_main_prints_the_total_and_the_five_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.splitlines() == [
        "total: 715",
        "d(total)/d(apple_price): 2.2",
        "d(total)/d(apple_count): 110",
        "d(total)/d(orange_price): 3.3",
        "d(total)/d(orange_count): 165",
        "d(total)/d(tax): 650",
    ]


def test_the_example_runs_as_a_module() -> None:
    command = [sys.executable, "-W", "error", "-m", "reference_impls.examples.apple_and_orange_shop"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.startswith("total: 715\n")
