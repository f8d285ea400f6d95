"""The one error that is the user's to mend."""


class UserError(ValueError):
    """Bad input: the message says what was wrong, where, and what to do."""


class Notice(UserWarning):
    """Something the user should know, though the work goes on: a cut prompt, a cropped picture."""
