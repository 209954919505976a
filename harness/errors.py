"""Errors that a user can act on.

HarnessError
├── ConfigError      a value, name or preset is wrong
│   └── MissingPackage
├── DataError        a file is missing, damaged or not in the format it claims
│   └── MissingColumn
├── PreflightError   everything that would stop the run, collected before it starts
├── TrainingError    a worker died or the loss diverged
├── JudgeError       an annotator could not be reached or answered as somebody else
│   └── RefusedRequest
└── Interrupted      the work was asked to stop, and is kept

The message says what, where and what to do; the command line prints it without a traceback.
"""

import re
import traceback
from textwrap import shorten
from types import TracebackType

_SHOWN = 400
"""Characters of what a library says: some list all that they know."""
_IN_FRONT = re.compile(r"(?<=://)[^/?#\s]*@")
_IN_QUERY = re.compile(
    r"([?&][^=&#\s]*(?:key|token|secret|passw|sig|auth|credential)[^=&#\s]*=)[^&#\s'\")]+",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return a text in whose addresses names, passwords and keys are replaced by `***`.

    So `https://me:word@host/v1?api_key=abc` is shown as `https://***@host/v1?api_key=***`.
    """
    return _IN_QUERY.sub(r"\1***", _IN_FRONT.sub("***@", text))


def in_words(error: Exception) -> str:
    """Return in one line what an error of Python or of a library says, in words that users know.

    Without its class and without a path: who tells it names the place.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding.upper()}: byte 0x{error.object[error.start]:02x}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return shorten(text, _SHOWN, placeholder=" ...")


def raised_at(module: str, trace: TracebackType | None) -> str | None:
    """Return file and line of the last place in a module's package that an exception came through.

    None where it came through none.
    """
    package = module.partition(".")[0]
    places = [
        f"{frame.f_code.co_filename}, line {line}"
        for frame, line in traceback.walk_tb(trace)
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package
    ]
    return places[-1] if places else None


class HarnessError(Exception):
    """Base of all errors that are printed without a traceback; exit code 1."""

    def __str__(self) -> str:
        """Return the message, in which errors of libraries may be quoted, without secrets."""
        return without_secrets(super().__str__())


class ConfigError(HarnessError):
    """A value, name or preset is wrong."""


class MissingPackage(ConfigError):
    """A package that an extra brings is not installed; the message says which extra."""


PACKAGES = {
    **dict.fromkeys(
        (
            *("accelerate", "datasets", "deepspeed", "jaxtyping", "lmms_eval", "matplotlib"),
            *("ninja", "open_clip", "pandas", "peft", "pyarrow", "safetensors", "sklearn"),
            *("scipy", "sentencepiece", "tokenizers", "torch", "torchvision", "transformers"),
        ),
        "train",
    ),
    "liger_kernel": "gpu",
    "vllm": "judge",
    **dict.fromkeys(("mlflow", "tensorboard", "wandb"), "track"),
}
"""By the name they are imported as: the extra that brings what the core goes without."""


def missing(error: ModuleNotFoundError) -> MissingPackage | None:
    """Return what to tell of a package that is not installed; None where no extra brings it."""
    package = (error.name or "").partition(".")[0]
    if package not in PACKAGES:
        return None
    return MissingPackage(
        f"this needs {package}, which is not installed: "
        f"pip install 'alignment-harness[{PACKAGES[package]}]'"
    )


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


class RefusedRequest(JudgeError):
    """A service will not answer this one request, whoever asks; it may answer others."""


class Interrupted(HarnessError):
    """The work was asked to stop, and is kept; exit code 0."""
