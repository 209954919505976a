"""The forms that a table of any runs can have."""

from enum import StrEnum


class Form(StrEnum):
    """A form, by its word on the command line."""

    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"

    @property
    def ending(self) -> str:
        """Ending of the names of its files."""
        return {"markdown": ".md", "csv": ".csv", "json": ".json", "latex": ".tex"}[self.value]
