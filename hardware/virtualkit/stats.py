"""Percentiles of small samples, for latencies."""

from collections.abc import Sequence


def percentile(sample: Sequence[float], percent: int) -> float | None:
    """Nearest-rank percentile; None for an empty sample."""
    if not sample:
        return None
    ordered = sorted(sample)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[rank - 1]


def spread(sample: Sequence[float]) -> dict[str, float | None]:
    """p50, p95 and p99, rounded to a hundredth."""
    return {
        f"p{percent}": None if (value := percentile(sample, percent)) is None else round(value, 2)
        for percent in (50, 95, 99)
    }
