"""What can go wrong in lmcore, as a tree.

LmcoreError
├── ConfigError      a configuration that cannot work (also a ValueError)
├── InputError       input the user must change (also a ValueError)
└── TransientError   weather: the same call may succeed later, so the stage is retried

Messages have three parts: what was found, what was expected, what to do.
"""


class LmcoreError(Exception):
    """Base of every error that lmcore raises on purpose."""


class ConfigError(LmcoreError, ValueError):
    """A configuration value that cannot work."""


class InputError(LmcoreError, ValueError):
    """Input that the user has to change."""


class TransientError(LmcoreError):
    """A failure that may not happen again: retried with back-off."""
