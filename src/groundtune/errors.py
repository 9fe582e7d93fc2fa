"""What goes wrong in a way that the user can mend: a message, a hint, an exit code; never a traceback."""

from __future__ import annotations


class UserError(Exception):
    """The input or the set-up is wrong (exit code 2).

    message: what is wrong, with the file and the value. hint: what to do about it.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WorkFailed(UserError):  # noqa: N818 (it says what happened)
    """The input was fine but the work could not be done: a full disk, an endpoint that is down (exit code 1)."""

    exit_code = 1


class TooLongError(UserError):
    """A prompt is longer than what the model can read."""
