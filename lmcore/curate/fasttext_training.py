"""Train one fastText classifier, in a process of its own: `python -m lmcore.curate.fasttext_training SPEC`.

fastText (0.9.2, 0.9.3) fills its input matrix in ten slices, one for each of ten threads; with one
thread nine tenths keep what the heap held. Freshly mapped pages hold zeros, which train well; recycled
heap holds garbage, which trains to NaN or to other bytes on every run. So: one thread, a fresh exec'ed
process, and an allocator told to map every large block (`environment`). Then equal text gives equal
bytes. SPEC is a JSON file: {"input": path, "output": path, "arguments": {fastText's own}}.
The result is checked to be finite and bounded before it is saved. 100,000 words a second for each epoch.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmcore.errors import LmcoreError

MAX_WEIGHT = 1e3
"""A trained vector's entries stay below 50 on our sets; heap garbage reaches 1e20."""

_UNWANTED = ("MALLOC_PERTURB_", "GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_ARENA_MAX")


def environment(parent: Mapping[str, str]) -> dict[str, str]:
    """The parent's environment, with the allocator settings under which training repeats."""
    root = str(Path(__file__).resolve().parents[2])
    child = {name: value for name, value in parent.items() if name not in _UNWANTED}
    paths = [root, *filter(None, [parent.get("PYTHONPATH")])]
    return child | {
        "MALLOC_MMAP_THRESHOLD_": "4096",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(paths),
    }


def train_in_subprocess(text_file: Path, model_file: Path, arguments: Mapping[str, Any]) -> None:
    """Train `model_file` from lines of `__label__X words`; `arguments` are fastText's.

    Raises:
        LmcoreError: training failed; the message holds the end of its output.
    """
    spec_file = model_file.with_suffix(".spec.json")
    spec = {"input": str(text_file), "output": str(model_file), "arguments": dict(arguments)}
    spec_file.write_text(json.dumps(spec), encoding="utf-8")
    command = [sys.executable, "-m", "lmcore.curate.fasttext_training", str(spec_file)]
    result = subprocess.run(
        command, env=environment(os.environ), capture_output=True, text=True, check=False
    )
    spec_file.unlink()
    if result.returncode != 0 or not model_file.is_file():
        raise LmcoreError(
            f"fastText training of {model_file.name} ended with code {result.returncode}; "
            f"expected a model; its last words: {(result.stderr or result.stdout)[-500:].strip()}"
        )


def _train(spec: Mapping[str, Any]) -> None:  # JSON
    import fasttext
    import numpy as np

    model = fasttext.train_supervised(input=spec["input"], thread=1, verbose=0, **spec["arguments"])
    for name, matrix in (
        ("input", model.get_input_matrix()),
        ("output", model.get_output_matrix()),
    ):
        largest = float(np.abs(matrix).max())  # NaN stays NaN
        if not largest < MAX_WEIGHT:
            raise LmcoreError(
                f"the {name} matrix holds {largest:g}; expected weights below {MAX_WEIGHT:g}: "
                "lower curate.classifier_learning_rate"
            )
    model.save_model(spec["output"])


if __name__ == "__main__":
    _train(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
