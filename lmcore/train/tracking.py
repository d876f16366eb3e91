"""TensorBoard and Weights & Biases, through their own libraries, where they are asked for.

They are told what the metrics and the telemetry hold anyway, so nothing depends on them; neither is
part of a run's identity. The libraries are extras, loaded only here: a run that names one which is
not installed is refused before its first step, not after its last.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lmcore.errors import ConfigError, InputError

MODES = ("offline", "online")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Where else a run is followed."""

    name: str = ""
    """What the run is called there."""
    tensorboard_dir: str = ""
    """Folder for TensorBoard's event files; empty writes none."""
    wandb_project: str = ""
    """Project of Weights & Biases; empty uses none."""
    wandb_dir: str = ""
    """Folder for its files; empty takes the run's own."""
    wandb_mode: str = "offline"
    """offline writes a folder that `wandb sync` sends later; online sends at once."""

    def __post_init__(self) -> None:
        """Raises ConfigError for an unknown mode."""
        if self.wandb_mode not in MODES:
            raise ConfigError(
                f"found wandb_mode {self.wandb_mode!r}; expected one of {', '.join(MODES)}; "
                "choose one of these"
            )


class Tracker(Protocol):
    """Something that is told numbers by name."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of a step."""

    def close(self) -> None:
        """Writes out what is left."""


class _TensorBoard:
    def __init__(self, tracking: Tracking) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        folder = Path(tracking.tensorboard_dir) / tracking.name
        self.writer: Any = SummaryWriter(str(folder))  # the library is untyped

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class _Wandb:
    def __init__(self, tracking: Tracking, config: Mapping[str, Any], folder: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb") from error
        folder = Path(tracking.wandb_dir) if tracking.wandb_dir else folder
        folder.mkdir(parents=True, exist_ok=True)
        self.run: Any = wandb.init(  # the library's own type
            project=tracking.wandb_project,
            name=tracking.name or None,
            mode=tracking.wandb_mode,
            dir=str(folder),
            config=dict(config),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


def _missing(library: str) -> InputError:
    return InputError(
        f"found no library {library}; expected it, because the resources name it; install it with "
        f"pip install 'crawl2model[{library}]', or leave the name out"
    )


@contextmanager
def trackers(
    tracking: Tracking, config: Mapping[str, Any], folder: Path
) -> Iterator[Sequence[Tracker]]:
    """Opens what is asked for and closes it at the end; `folder` is where the run may write.

    Raises:
        InputError: a library is not installed.
    """
    with ExitStack() as stack:
        opened: list[Tracker] = []
        if tracking.tensorboard_dir:
            opened.append(_TensorBoard(tracking))
        if tracking.wandb_project:
            opened.append(_Wandb(tracking, config, folder))
        for tracker in opened:
            stack.callback(tracker.close)
        yield opened
