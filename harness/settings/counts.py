"""A number of pairs that is expected: exactly so many, or from one number to another."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt


def bounds(expected: int | str) -> tuple[int, int]:
    """Return the least and the most that an expected number allows."""
    least, _, most = str(expected).partition("-")
    return int(least), int(most or least)


def _in_order(text: str) -> str:
    least, most = bounds(text)
    if not 0 < least <= most:
        raise ValueError("write a range as 20000-24000, the smaller number first")
    return text


ExpectedCount = (
    PositiveInt | Annotated[str, Field(pattern=r"^[0-9]+-[0-9]+$"), AfterValidator(_in_order)]
)
"""22000, or `20000-24000` with both ends included."""
