"""One tiny base model and data set for all tests of this folder."""

from run_fixtures import base, cache, cache_folder, make_run, parquet

__all__ = ["base", "cache", "cache_folder", "make_run", "parquet"]
