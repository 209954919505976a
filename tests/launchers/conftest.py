"""One tiny base model and data set for all tests of this folder."""

from run_fixtures import base, cache, make_run, parquet

__all__ = ["base", "cache", "make_run", "parquet"]
