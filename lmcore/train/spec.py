"""One training run as a JSON file: what the parent process hands to torchrun."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from lmcore.errors import ConfigError, InputError
from lmcore.model.config import ModelConfig
from lmcore.sections import from_section, to_section
from lmcore.train.config import TrainConfig
from lmcore.train.durable import write_json
from lmcore.train.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """The identity of a run (model, train, vocab_size) and where it reads and writes."""

    model: ModelConfig
    train: TrainConfig
    vocab_size: int
    shards_dir: Path
    """Directory with shards.json."""
    out_dir: Path
    """Directory that the run may write into."""
    resume_dir: Path | None = None
    """A checkpoint to go on from."""
    keep_last: int = 0
    """Newest checkpoints that stay in out_dir; 0 keeps all. Older ones go once a newer is on the disk."""
    keep_every: int = 0
    """Checkpoints at multiples of so many steps stay whatever keep_last says; 0 spares none."""
    tracking: Tracking = field(default_factory=Tracking)
    """Where else the run is followed."""

    def __post_init__(self) -> None:
        """Raises ConfigError for counts below 0, or a model that the processes cannot share."""
        self.train.parallel.check_model(self.model, self.vocab_size)
        for name in ("keep_last", "keep_every"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"found {name} {getattr(self, name)}; expected 0 or more; raise it"
                )

    def write(self, path: Path) -> None:
        """Writes the spec as JSON: the fields of this class, configs as objects."""
        content = {
            "model": to_section(self.model),
            "train": to_section(self.train),
            "vocab_size": self.vocab_size,
            "shards_dir": str(self.shards_dir),
            "out_dir": str(self.out_dir),
            "resume_dir": None if self.resume_dir is None else str(self.resume_dir),
            "keep_last": self.keep_last,
            "keep_every": self.keep_every,
            "tracking": to_section(self.tracking),
        }
        write_json(path, content)

    @classmethod
    def read(cls, path: Path) -> "TrainSpec":
        """Reads what `write` wrote.

        Raises:
            InputError: the file is no spec, or names a field that does not exist.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            resume = content.get("resume_dir")
            return cls(
                model=from_section(ModelConfig, content["model"]),
                train=from_section(TrainConfig, content["train"]),
                vocab_size=int(content["vocab_size"]),
                shards_dir=Path(content["shards_dir"]),
                out_dir=Path(content["out_dir"]),
                resume_dir=None if resume is None else Path(resume),
                keep_last=int(content.get("keep_last", 0)),
                keep_every=int(content.get("keep_every", 0)),
                tracking=from_section(Tracking, content.get("tracking", {})),
            )
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise InputError(
                f"found no training spec in {path} ({type(error).__name__}: {error}); expected "
                "JSON with model, train, vocab_size, shards_dir and out_dir; "
                "write it with TrainSpec.write"
            ) from error
