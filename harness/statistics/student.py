"""Student's t: its tails and quantiles, in double precision and without a library of them."""

import math
from statistics import NormalDist

_PRECISION = 1e-15
_TINY = 1e-300
"""Stands for a denominator of zero in a continued fraction."""
_STEPS = 200


def two_sided(degrees: float, t: float) -> float:
    """Return the probability that |T| is at least |t|, of T with so many degrees of freedom.

    Infinite degrees are the normal distribution.
    """
    if math.isnan(t) or math.isnan(degrees):
        return math.nan
    if math.isinf(degrees) or math.isinf(t):
        return math.erfc(abs(t) / math.sqrt(2))
    if t == 0:
        return 1.0
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t), t * t)


def quantile(degrees: float, probability: float) -> float:
    """Return the t below which T lies with a probability of at least one half and less than one.

    Newton's method from the normal quantile, which lies below: above zero the distribution is
    concave, so that every step ends below the quantile too and none goes too far.
    """
    t = NormalDist().inv_cdf(probability)
    if math.isinf(degrees) or t <= 0:
        return t
    outside = 2 * (1 - probability)
    for _ in range(_STEPS):
        step = (two_sided(degrees, t) - outside) / (2 * _density(degrees, t))
        t += step
        if abs(step) <= _PRECISION * t:
            break
    return t


def _density(degrees: float, t: float) -> float:
    spread = (degrees + 1) / 2 * math.log1p(t * t / degrees)
    return math.exp(-_log_beta(degrees / 2, 0.5) - spread) / math.sqrt(degrees)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _incomplete_beta(a: float, b: float, x: float, squared: float) -> float:
    """Return the regularised incomplete beta function at x = 2a / (2a + squared).

    The fraction converges fast below its mean; above, the function is one less its mirror.
    """
    rest = squared / (2 * a + squared)  # 1 - x, without what subtracting would lose
    factor = math.exp(a * -math.log1p(squared / (2 * a)) + b * math.log(rest) - _log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return factor * _fraction(a, b, x) / a
    return 1 - factor * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of DLMF 8.17.22, by the modified method of Lentz."""
    numerator, denominator = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = denominator
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            denominator = 1 / _not_zero(1 + part * denominator)
            numerator = _not_zero(1 + part / numerator)
            change = numerator * denominator
            value *= change
        if abs(change - 1) < _PRECISION:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
