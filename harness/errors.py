"""Errors that a user can act on.

HarnessError
├── ConfigError      a value, name or preset is wrong
├── DataError        a file is missing, damaged or not in the format it claims
│   └── MissingColumn
├── PreflightError   everything that would stop the run, collected before it starts
├── TrainingError    a worker died or the loss diverged
├── JudgeError       an annotator could not be reached or answered as somebody else
└── Interrupted      the work was asked to stop, and is kept

The message says what, where and what to do; the command line prints it without a traceback.
"""


class HarnessError(Exception):
    """Base of all errors that are printed without a traceback; exit code 1."""


class ConfigError(HarnessError):
    """A value, name or preset is wrong."""


class DataError(HarnessError):
    """A file is missing, damaged or not in the format it claims."""


class MissingColumn(DataError):
    """A column that the method reads is not in the preference data."""


class PreflightError(HarnessError):
    """Everything that would stop the run, collected before it starts."""


class TrainingError(HarnessError):
    """A worker died or the loss diverged."""


class JudgeError(HarnessError):
    """An annotator could not be reached, or another model answered."""


class Interrupted(HarnessError):
    """The work was asked to stop, and is kept; exit code 0."""
