"""Budgets, and what is said of those that cannot be kept."""

import pickle
import re

import pytest

from semapix._budget import Budget
from semapix.errors import ArgumentError


def test_a_rate_is_a_number_of_whole_bytes():
    assert Budget.of_rate(0.25, 1003).bytes == 31
    assert Budget.of_rate(1e-5, 1003).bytes == 1


def told(error):
    """The number that an error says to ask for."""
    assert isinstance(error, ArgumentError)
    return re.search(r" must be (\S+) or (?:more|less): ", str(error))[1]


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(Budget(20).too_small(51, "because")))
    assert (str(error), error.nearest) == ("max_bytes (=20) must be 51 or more: because", 51)


def test_errors_speak_in_the_unit_that_was_asked_in():
    assert str(Budget(20).too_small(51, "because")) == "max_bytes (=20) must be 51 or more: because"
    assert str(Budget(90).too_large(51)) == (
        "max_bytes (=90) must be 51 or less: this picture takes no more at the highest quality; max_bytes (=90) makes "
        "its largest file"
    )
    by_rate = Budget.of_rate(0.125, 3000)
    assert str(by_rate.too_small(51, "because")) == "bpp (=0.125) must be 0.1360 or more: because"
    assert str(by_rate.too_large(41, "half")) == (
        "bpp (=0.125) must be 0.1093 or less: variant half takes no more at the highest quality; leave it out, or "
        "max_bytes (=46) makes its largest file"
    )
    assert str(by_rate.between(41, 51)) == (
        "bpp (=0.125) must be 0.1093 or less, or 0.1360 or more: this picture takes none between them; max_bytes "
        "(=46) makes the largest file below"
    )


def test_a_rate_that_cannot_be_asked_for_is_not_named():
    text = "bpp (=0.3) must be a number of bytes, 43 or more: because"
    assert str(Budget.of_rate(0.3, 1).too_small(43, "because")) == text


@pytest.mark.parametrize("pixels", [400, 3072, 393_216])  # all sizes below are rates that can be asked for
def test_who_asks_for_the_rate_that_an_error_says_keeps_it(pixels):
    looked = 0
    for size in range(50, 5000, 7):
        budget = Budget.of_rate(0.01, pixels)
        assert Budget.of_rate(float(told(budget.too_small(size, "because"))), pixels).bytes >= size
        assert Budget.of_rate(float(told(budget.too_large(size))), pixels).bytes <= size
        looked += 1
    assert looked == 708
