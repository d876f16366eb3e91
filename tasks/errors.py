"""What can go wrong in a stage, as a tree.

StageError               a stage failed
├── UserStageError       because of something the user can change
├── TransientStageError  by weather: it is tried again
└── DeadlineError        because it ran past its deadline and was killed
"""


class StageError(Exception):
    """A stage failed."""


class UserStageError(StageError, ValueError):
    """A stage failed because of something the user can change."""


class TransientStageError(StageError):
    """A stage failed by weather: it is tried again."""


class DeadlineError(StageError):
    """A stage ran past its deadline and was killed."""
