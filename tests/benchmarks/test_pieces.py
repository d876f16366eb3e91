"""Benchmarks are run by hand and call much of ours: what each calls is called here, on little."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
DATA = Path(os.environ.get("C2M_SHARED_DATA", FOLDER.parents[2] / "shared" / "data"))


def answer(code, *arguments):
    """What the code prints last, in a process of its own beside the benchmarks, as they run."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(FOLDER), str(FOLDER.parents[1])])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_filters_decide_as_the_recipes_do(tmp_path):
    draw = random.Random(0)
    words = ["".join(draw.choices("aeimnorst", k=draw.randint(3, 8))) for _ in range(240)]
    lines = [f"{words[n]} of {' '.join(words[n + 1 : n + 10])}." for n in range(0, 230, 10)]
    lines.append("the last of them and that which we have with it.")
    good = "\n".join(line.capitalize() for line in lines)
    path = tmp_path / "texts.json"
    path.write_text(json.dumps([good, "Too short."]))
    code = "import sys, json, bench_filters; print(json.dumps(bench_filters.crawl2model()(*sys.argv[1:])))"
    found = answer(code, path)
    assert (found["documents"], found["kept"]) == (2, 1)


def test_training_measures_memory_beside_a_checkpoints_copies(tmp_path):
    code = (
        "import sys, json, bench_training as b; from pathlib import Path\n"
        "b._write_shards(Path(sys.argv[1]))\n"
        "print(json.dumps(b._our_memory(sys.argv[1], 2)))\n"
    )
    found = answer(code, tmp_path)
    assert len(found["losses"]) == 3
    assert found["rss_beside_copies"] >= found["rss"] > 0


def test_optimizers_are_timed_alone(tmp_path):
    code = (
        "import sys, json, bench_training as b, optimizer_task as task; from pathlib import Path\n"
        "b.VOCAB, task.prepare = task.VOCAB_SIZE, lambda: Path(sys.argv[1])\n"
        "b._write_shards(Path(sys.argv[1]))\n"
        "names = ('adamw', 'muon', 'soap')\n"
        "print([task.update_seconds({'optimizer': name, 'lr': 1e-3}, n=2) for name in names])\n"
    )
    assert all(seconds > 0.0 for seconds in answer(code, tmp_path))


@pytest.mark.skipif(not (DATA / "webpages").is_dir(), reason="needs the shared data")
def test_classifiers_find_typed_pages():
    code = "import json, bench_classifiers as b; print(json.dumps(next(b.pages())))"
    page_type, _, whole = answer(code)
    assert page_type
    assert whole
