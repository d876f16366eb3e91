import json

import numpy as np
import pytest

from lmcore.tokens.shards import FILE_NAME, TokenShards

EOT = 99


@pytest.fixture
def make_shards(tmp_path):
    """Shards whose training split holds documents of these lengths, end-of-text included."""

    def make(lengths, *, sources=(), shard_tokens=1 << 20, name="shards"):
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(0)
        stream = np.concatenate(
            [np.append(rng.integers(0, EOT, n - 1), EOT) for n in lengths]
        ).astype("<u2")
        files = []
        for number, start in enumerate(range(0, len(stream), shard_tokens)):
            piece = stream[start : start + shard_tokens]
            piece.tofile(folder / f"train-{number:05d}.bin")
            files.append({"name": f"train-{number:05d}.bin", "n_tokens": len(piece)})
        empty = {"n_documents": 0, "n_tokens": 0, "n_bytes": 0, "files": []}
        content = {
            "format": "crawl2model-shards",
            "version": 1,
            "dtype": "uint16",
            "vocab_size": EOT + 1,
            "eot_id": EOT,
            "splits": {
                "train": empty
                | {"n_tokens": len(stream), "n_documents": len(lengths), "files": files},
                "validation": empty,
            },
        }
        if sources:
            content["sources"] = [
                {"name": one, "start": start, "n_tokens": n} for one, start, n in sources
            ]
        (folder / FILE_NAME).write_text(json.dumps(content))
        return TokenShards(folder, "train")

    return make
