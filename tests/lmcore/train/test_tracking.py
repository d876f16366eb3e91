import importlib.util

import pytest

from lmcore.errors import ConfigError, InputError
from lmcore.train.loop import run
from lmcore.train.metrics import read_metrics
from lmcore.train.tracking import Tracking


def spec_with(make_spec, **fields):
    spec = make_spec()
    return type(spec)(
        model=spec.model,
        train=spec.train,
        vocab_size=spec.vocab_size,
        shards_dir=spec.shards_dir,
        out_dir=spec.out_dir,
        tracking=Tracking(**fields),
    )


def test_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="wandb_mode 'on'"):
        Tracking(wandb_mode="on")


@pytest.mark.filterwarnings("ignore")  # the libraries' own
def test_tensorboard_is_told_what_the_metrics_hold(make_spec, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    spec = spec_with(make_spec, name="pretrain", tensorboard_dir=str(tmp_path / "events"))
    run(spec)
    events = EventAccumulator(str(tmp_path / "events" / "pretrain"))
    events.Reload()
    rows = read_metrics(spec.out_dir / "final" / "metrics.parquet")
    for split in ("train", "validation"):
        found = {event.step: event.value for event in events.Scalars(f"{split}/loss")}
        expected = {row.step: row.loss for row in rows if row.split == split}
        assert found == pytest.approx(expected, rel=1e-6)
    assert len(events.Scalars("telemetry/tokens_per_second")) == 12
    assert len(events.Scalars("train/grad_norm")) == 12


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore")  # the libraries' own
def test_wandb_offline_leaves_a_folder_to_send_later(make_spec, tmp_path):
    wandb = pytest.importorskip("wandb")
    spec = spec_with(
        make_spec, name="pretrain", wandb_project="c2m", wandb_dir=str(tmp_path / "kept")
    )
    run(spec)
    wandb.teardown()  # its service writes behind its back
    (file,) = (tmp_path / "kept").rglob("run-*.wandb")
    assert b"tokens_per_second" in file.read_bytes()


@pytest.mark.parametrize(
    ("library", "fields"),
    [("tensorboard", {"tensorboard_dir": "events"}), ("wandb", {"wandb_project": "c2m"})],
)
def test_library_that_is_missing_is_named_before_the_first_step(make_spec, library, fields):
    if importlib.util.find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    spec = spec_with(make_spec, **fields)
    with pytest.raises(
        InputError, match=rf"no library {library}.*pip install 'crawl2model\[{library}\]'"
    ):
        run(spec)
    assert not (spec.out_dir / "metrics").exists()
