"""Why a file could not be read, as a code and its parameters; the sentence is in messages.toml."""

from backend.kit import messages
from backend.kit.messages import Locale


class Unreadable(Exception):
    """A file that is no invoice we can read, or that is not safe to read. Raised before anything is kept."""

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(code)

    def sentence(self, locale: Locale = "en") -> str:
        """What is wrong and what to do, for the person who sent the file."""
        return messages.text(self.code, locale, **self.params)

    def __str__(self) -> str:
        return self.sentence()
