"""Student's t without SciPy equals SciPy's."""

import math

import pytest
from scipy.special import stdtr, stdtrit

from harness.statistics.student import quantile, two_sided

DEGREES = (1, 2, 2.7, 5, 11, 29.5, 99, 1733, 250_000)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("t", [1e-9, 0.01, 0.5, 1.0, 1.96, 4.3, 12.7, 38.0])
def test_tails_are_those_of_scipy(degrees, t):
    wanted = 2 * stdtr(degrees, -t)
    assert two_sided(degrees, t) == pytest.approx(wanted, rel=1e-8)
    assert two_sided(degrees, -t) == two_sided(degrees, t)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("probability", [0.5, 0.6, 0.8, 0.9, 0.975, 0.9999])
def test_quantiles_are_those_of_scipy(degrees, probability):
    wanted = stdtrit(degrees, probability)
    assert quantile(degrees, probability) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_known_values():
    """With one degree T is the tangent of an even angle; with two, a closed form."""
    assert quantile(1, 0.975) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-13)
    assert two_sided(2, 1.0) == pytest.approx(1 - 1 / math.sqrt(3), rel=1e-13)
    assert quantile(math.inf, 0.975) == pytest.approx(1.959963984540054, rel=1e-14)


def test_edges():
    assert two_sided(5, 0.0) == 1.0
    assert two_sided(5, math.inf) == 0.0
    assert two_sided(math.inf, 1.959963984540054) == pytest.approx(0.05, rel=1e-12)
    assert math.isnan(two_sided(5, math.nan))
