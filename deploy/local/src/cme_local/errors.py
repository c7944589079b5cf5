"""What the command tells a person instead of a traceback."""


class UserError(Exception):
    """One clear line on stderr: what is wrong and what to do about it; exit code 2."""


class StackError(Exception):
    """A process of the stack kept dying or never became ready; carries the tail of its log."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail
