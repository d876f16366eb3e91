"""MinHash signatures and the keys of their bands, in Python: what the kernels have to equal.

Signatures are datasketch's, scheme affine32: a hash of 32 bits, mixed once, through permutations
h -> a h + b mod 2^32 with odd a, which are bijections. The hash is the high half of the 64 bits of
`lmcore.dedup.shingles`.

Cost: 0.5 ms a 400-word document.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.shingles import MULTIPLIER, WORD_SALT, ShingleHasher

_BATCH_SHINGLES = 8192  # x 126 permutations x 4 bytes = 4 MB of scratch, whatever the document
_MASK = (1 << 64) - 1


def permutations(config: DedupConfig) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Returns (a, b) of each permutation h -> a h + b mod 2^32, drawn as datasketch draws them."""
    generator = np.random.RandomState(config.seed)
    n = config.permutations
    half = generator.randint(0, 1 << 31, n, dtype=np.uint32)
    offsets = generator.randint(0, 1 << 32, n, dtype=np.uint32)
    return half * np.uint32(2) + np.uint32(1), offsets


def signatures(
    normalized: Iterable[str], config: DedupConfig
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Returns the signatures [document, permutation] and which documents have any shingle."""
    from datasketch import MinHash  # half a second that kernels do without

    hasher = ShingleHasher(config.shingle_words)
    empty = MinHash(num_perm=config.permutations, seed=config.seed, hashfunc=int, scheme="affine32")
    rows: list[NDArray[np.uint32]] = []
    has_shingles: list[bool] = []
    for text in normalized:
        hashes = (hasher(text) >> np.uint64(32)).tolist()
        signature = empty.copy()
        for start in range(0, len(hashes), _BATCH_SHINGLES):
            signature.update_batch(hashes[start : start + _BATCH_SHINGLES])
        rows.append(signature.hashvalues)
        has_shingles.append(bool(hashes))
    matrix = np.array(rows, dtype=np.uint32).reshape(len(rows), config.permutations)
    return matrix, np.array(has_shingles, dtype=np.bool_)


def band_keys(matrix: NDArray[np.uint32], n_bands: int) -> NDArray[np.uint64]:
    """Returns a key for each band of each signature, [document, band].

    Keys of different bands differ; a collision only adds a candidate, which is verified.
    """
    n_rows = matrix.shape[1] // n_bands
    starts = [band * WORD_SALT & _MASK for band in range(n_bands)]
    keys = np.tile(np.array(starts, np.uint64), (len(matrix), 1))
    for row in range(n_rows):
        keys = (keys ^ (keys >> np.uint64(31))) * np.uint64(MULTIPLIER)
        keys += matrix[:, row::n_rows].astype(np.uint64)
    return keys ^ (keys >> np.uint64(32))
