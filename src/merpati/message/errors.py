"""What can be wrong with a message: its template, its data, or what they come to together."""

from __future__ import annotations


class MessageError(Exception):
    """Base of this room's errors."""


class TemplateSyntaxError(MessageError):
    """A part's template cannot be read (SparkPost code 3000).

    part: `text`, `html`, `amp_html` or `Header:Subject` and the like; line: from 1, in that part.
    """

    def __init__(self, part: str, line: int, description: str) -> None:
        super().__init__(f"Error while compiling part {part}: line {line}: {description}")
        self.part = part
        self.line = line
        self.description = description


class TemplateRenderError(MessageError):
    """A template met data it cannot work with (SparkPost code 3001); line is 0 while unknown."""

    def __init__(self, description: str, part: str = "", line: int = 0) -> None:
        where = f"Error while rendering part {part}: line {line}: " if part else ""
        super().__init__(where + description)
        self.description = description
        self.part = part
        self.line = line


class GenerationFailed(MessageError):
    """One recipient's message cannot be made; trying again would not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
