"""Hold whatever is registered under a name against what it must keep to."""

from collections.abc import Iterator

from harness import registry
from harness.plugins.names import Kind
from harness.training.contract.check import Check, check_method


def check(name: str) -> Iterator[Check]:
    """Yield every check of the method, benchmark or column of a name as soon as it is done.

    Raises:
        ConfigError: Nothing is registered under this name.
    """
    kinds = [kind for kind in Kind if name in kind.registered()]
    if not kinds:
        known = sorted({one for kind in Kind for one in kind.registered()})
        registry.find(name, dict.fromkeys(known), "method, benchmark or column")
    for kind in kinds:
        if kind is Kind.METHOD:
            yield from check_method(name)
        elif kind is Kind.BENCHMARK:
            from harness.plugins.benchmark import check_benchmark

            yield from check_benchmark(name)
        else:
            from harness.plugins.column import check_column

            yield from check_column(name)
