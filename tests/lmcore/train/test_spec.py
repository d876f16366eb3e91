import os
import signal
import subprocess
import sys

import pytest

from lmcore.errors import ConfigError, InputError
from lmcore.train.checkpoint import newest, steps_of, verify
from lmcore.train.config import TrainConfig
from lmcore.train.launch import EXIT_REFUSED, EXIT_STOPPED, command, environment, outcome
from lmcore.train.loop import main
from lmcore.train.spec import TrainSpec


def test_spec_written_and_read_is_equal(make_spec, tmp_path):
    spec = make_spec(resume_dir=tmp_path / "checkpoint")
    spec.write(tmp_path / "spec.json")
    assert TrainSpec.read(tmp_path / "spec.json") == spec


@pytest.mark.parametrize(
    "text", ["", "{}", '{"model": {"d_modle": 8}, "train": {}, "vocab_size": 5}']
)
def test_spec_unreadable_is_refused(tmp_path, text):
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(InputError, match="found no training spec"):
        TrainSpec.read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"warmup_steps": 401},
        {"batch_size": 3, "world_size": 2},
        {"optimizer": "soap", "world_size": 2},
        {"optimizer": "adam"},
        {"schedule": "cosin"},
        {"momentum": 1.0},
        {"decay_share": 0.0},
        {"precision": "float12"},
        {"micro_batch_size": -1},
        {"ema_decay": 1.0},
        {"loss_scale": 3.0},
        {"on_spike": "ignore"},
        {"spike_sigmas": -1.0},
        {"spike_window": 3},
        {"max_spikes": 0},
        {"recompute": "some"},
        {"decay_end_ratio": -0.1},
        {"noise_scale_every": 1},
        {"noise_scale_every": 1, "micro_batch_size": 16},
        {"lr": 0.0},
        {"beta2": 1.0},
        {"min_lr_ratio": 1.5},
        {"seed": -1},
    ],
)
def test_config_impossible_run_is_refused(changes):
    with pytest.raises(ConfigError):
        TrainConfig(**changes)


def test_command_is_torchrun_with_the_spec(tmp_path):
    line = command(tmp_path / "spec.json", 2)
    assert line[0] == sys.executable
    assert "--nproc-per-node=2" in line
    assert line[-3:] == ["-m", "lmcore.train.loop", str(tmp_path / "spec.json")]


def test_launch_imports_no_torch():
    code = "import sys, lmcore.train.launch, lmcore.train.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def keep_signals():
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("keep_signals")
def test_main_whole_run_reports_finished(make_spec, tmp_path):
    spec = make_spec(steps=2, warmup_steps=0)
    spec.write(tmp_path / "spec.json")
    assert main([str(tmp_path / "spec.json")]) == 0
    assert outcome(spec.out_dir) == ("finished", "")


@pytest.mark.usefixtures("keep_signals")
def test_main_diverging_run_reports_why(make_spec, tmp_path):
    spec = make_spec(lr=1e30, warmup_steps=0, clip_norm=1e30)
    spec.write(tmp_path / "spec.json")
    assert main([str(tmp_path / "spec.json")]) == EXIT_REFUSED
    what, why = outcome(spec.out_dir)
    assert what == "refused"
    assert "lower pretrain.lr" in why


def test_outcome_process_that_said_nothing_is_killed(tmp_path):
    assert outcome(tmp_path)[0] == "killed"


def test_process_told_to_stop_leaves_a_checkpoint_and_its_code(make_spec, tmp_path):
    spec = make_spec(steps=100_000, checkpoint_every=100_000)
    spec.write(tmp_path / "spec.json")
    line = [sys.executable, "-m", "lmcore.train.loop", str(tmp_path / "spec.json")]
    with subprocess.Popen(
        line, env=os.environ | environment(1), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if text.startswith("progress"):
                process.send_signal(signal.SIGTERM)
                break
        process.stdout.read()
    assert process.returncode == EXIT_STOPPED
    assert outcome(spec.out_dir)[0] == "stopped"
    (step,) = steps_of(spec.out_dir)
    assert 1 <= step < 100_000
    assert verify(newest(spec.out_dir))["step"] == step
