"""How fast and where: never part of any identity, so equal work stays equal on other machines."""

from dataclasses import dataclass
from pathlib import Path

from lmcore.train.tracking import MODES

RUNNERS = ("threads", "processes", "dask", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run may use."""

    workers: int = 2
    """steps that run at once; each is a process of its own"""
    runner: str = "threads"
    """Prefect's task runner: threads, processes, dask or ray (the last two are extras)"""
    address: str = ""
    """address of a running Dask scheduler or Ray head; empty starts one here"""
    retries: int = 2
    """times a step is tried again after a transient failure"""
    deadline_factor: float = 1.0
    """multiplies the deadline of every stage; raise it on a slow machine"""
    keep_last: int = 0
    """newest checkpoints of a training run that stay in the store; 0 keeps all. One that is dropped takes
    its part of the table draws with it, until the run is done and holds all of it"""
    keep_every: int = 0
    """checkpoints at multiples of so many steps stay whatever keep_last says; 0 spares none"""

    tensorboard_dir: str = ""
    """folder into which training writes TensorBoard's event files (an extra); empty writes none"""
    wandb_project: str = ""
    """project of Weights & Biases that follows training (an extra); empty uses none"""
    wandb_mode: str = "offline"
    """offline leaves a folder in the run's that wandb sync sends later; online sends at once"""

    def tracking(self) -> dict[str, str]:
        """Where else training is followed: fields of lmcore.train.tracking.Tracking."""
        folder = str(Path(self.tensorboard_dir).absolute()) if self.tensorboard_dir else ""
        return {
            "tensorboard_dir": folder,
            "wandb_project": self.wandb_project,
            "wandb_mode": self.wandb_mode,
        }

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.runner not in RUNNERS:
            msg = f"Found resources.runner = {self.runner!r}; expected one of {', '.join(RUNNERS)}."
            raise ValueError(msg)
        if self.wandb_mode not in MODES:
            msg = (
                f"Found resources.wandb_mode = {self.wandb_mode!r}; "
                f"expected one of {', '.join(MODES)}."
            )
            raise ValueError(msg)
        if self.keep_last < 0 or self.keep_every < 0:
            msg = (
                f"Found resources.keep_last = {self.keep_last}, keep_every = {self.keep_every}; "
                "expected 0 or more."
            )
            raise ValueError(msg)
        if self.workers < 1 or self.retries < 0 or self.deadline_factor <= 0:
            msg = (
                f"Found resources.workers = {self.workers}, retries = {self.retries}, "
                f"deadline_factor = {self.deadline_factor}; expected at least 1, 0 and above 0."
            )
            raise ValueError(msg)
