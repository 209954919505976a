"""What a paper says of its method, as data beside the method's presets: section `claims`."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from harness.errors import ConfigError
from harness.settings.spec import Strict

BASE = "base"
"""Stands in `than` for the model that training starts from."""


class Claim(Strict):
    """One statement, and what would have to be measured for it to hold."""

    says: str = Field(min_length=1, description="The statement, in our own words.")
    source: str = Field(min_length=1, description="Where it stands.")
    standing: Literal["verified", "second_hand", "unverified"]
    quantity: Literal["better", "reduction", "free", "value", "beyond"] = Field(
        description="better: the row is better than `than`; reduction: in percent of `than`; free: "
        "100 less the number; value: the number itself; beyond: better than another's number."
    )
    metrics: tuple[str, ...] = Field(default=(), description="As benchmark/metric, for `better`.")
    numbers: dict[str, float] = Field(
        default_factory=dict, description="By benchmark/metric, for all but `better`."
    )
    row: str | None = Field(
        default=None, description="Row of the ablation table that it is about, not the method."
    )
    than: str | None = Field(
        default=None, description="base, a method, or a row of the ablation table."
    )
    margin: float = Field(
        default=0.0, ge=0, description="How much worse is still as good, for `better`."
    )
    within: float | None = Field(
        default=None, gt=0, description="Half-width that an interval may have to say anything."
    )
    model: str | None = Field(default=None, description="The model that the paper trains.")
    judges: tuple[str, ...] = Field(default=(), description="Who may have judged; any if empty.")
    protocols: tuple[str, ...] = Field(default=(), description="Ways of asking; any if empty.")
    samples: dict[str, int] = Field(
        default_factory=dict, description="How many the paper asked, by benchmark."
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        direction = self.quantity == "better"
        if direction == bool(self.numbers) or direction != bool(self.metrics):
            raise ValueError("give `metrics` for quantity better, and `numbers` for the others")
        if (self.than is None) == (self.quantity in ("better", "reduction")):
            raise ValueError("give `than` for quantity better or reduction, and for no other")
        if (self.within is None) == (self.quantity in ("reduction", "free", "value")):
            raise ValueError("give `within` for quantity reduction, free or value, and no other")
        if not all("/" in name for name in self.asked):
            raise ValueError("write metrics as benchmark/metric")
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """Its metrics, as benchmark/metric."""
        return self.metrics or tuple(self.numbers)


def read_claims(tree: Any, where: str) -> dict[str, Claim]:
    """Read the section `claims` of a preset file.

    Raises:
        ConfigError: It is not written as one must be.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{where}: write claims as a name with its values, for each.")
    return {str(name): _claim(part, f"{where}, claim {name}") for name, part in tree.items()}


def _claim(part: Any, where: str) -> Claim:
    try:
        return Claim.model_validate(part)
    except ValidationError as error:
        told = "; ".join(
            ": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"])))
            for one in error.errors()
        )
        raise ConfigError(f"{where}: {told}.") from error
