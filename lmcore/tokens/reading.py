"""What a step reads: every batch of a run as a pure function of the configuration, the shards and one integer.

Row i of a run, counted from its first step, is the window that `BatchSource` names for i, whoever asks: the cursor
of a run is its step, and any number of processes that share a batch read the same rows. Three functions make it:

    turn      (seed, i) -> source and rank, how many windows the source gave before    lmcore.tokens.turns
    window    (seed, source, rank) -> window: a permutation an epoch, the first sorted   batches, curriculum
    pieces    window -> stretches of the stream: one as it lies, or several packed       packing

With the defaults there is one source, the windows lie end to end and a row is that of `read_batch`.

Cost: shards are memory-mapped, so a run reads shards larger than memory; a source keeps 40 bytes for each packed
piece and 8 for each window sorted by a curriculum. Packing finds documents in one pass over the tokens at the start,
2.8 billion a second from memory. A row of 256 tokens takes 12 microseconds, a packed one 16, and 1.7 to 6 more
where there are 2 to 20 sources.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from lmcore.errors import InputError
from lmcore.tokens import curriculum, packing
from lmcore.tokens.batches import BatchOrder, count_windows, mix_bits
from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.shards import Stretch, TokenShards
from lmcore.tokens.turns import plan_turns

NO_TARGET = -1
"""Target of a place that has nothing to predict."""
_SEED_STEP = 0x9E3779B97F4A7C15


class Batch(NamedTuple):
    """Rows of a step; positions and documents are there where documents are packed."""

    ids: Int64[np.ndarray, "rows seq"]
    targets: Int64[np.ndarray, "rows seq"]
    """the token after each, or NO_TARGET"""
    positions: Int64[np.ndarray, "rows seq"] | None = None
    """place of each token in its document or piece, from 0"""
    documents: Int64[np.ndarray, "rows seq"] | None = None
    """number of the piece within the row; a token sees those before it with the same number"""


class Draw(NamedTuple):
    """A stretch of the stream that a row reads."""

    row: int
    """row of the run, counted from its first step"""
    source: str
    window: int
    """number of the window within its source"""
    first_token: int
    """counted from the start of the training split"""
    n_tokens: int
    n_targets: int


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of one source: where they lie, and in which order they come."""

    name: str
    stretch: Stretch
    order: BatchOrder
    context_length: int
    packed: packing.Packing | None = None
    plain: packing.Plain | None = None
    """what packing is compared with; where there is none, the windows are plain"""
    sorted_windows: Int64[np.ndarray, " windows"] = field(
        default_factory=lambda: np.empty(0, np.int64)
    )

    @property
    def n_windows(self) -> int:
        """Windows in an epoch."""
        return self.order.n_windows

    def at(self, rank: int) -> int:
        """Return the window that comes at a place, counted from the first epoch."""
        if rank < len(self.sorted_windows):
            return int(self.sorted_windows[rank])
        return self.order.window(rank)

    def pieces(self, window: int) -> list[tuple[int, int]]:
        """Return the stretches (first target, targets) of a window."""
        if self.packed is None:
            first = self.stretch.start + window * self.context_length + 1
            return [(first, self.context_length)]
        start, stop = self.packed.bounds[window : window + 2].tolist()
        chosen = self.packed.order[start:stop]
        pieces = self.packed.pieces
        return list(zip(pieces.first[chosen].tolist(), pieces.length[chosen].tolist(), strict=True))


class BatchSource:
    """The rows of a run.

    Raises:
        InputError: where the shards lack a source, a source has no window, or a cap on epochs leaves too few.
    """

    def __init__(  # what makes a row, and nothing else
        self,
        shards: TokenShards,
        config: DataConfig,
        *,
        context_length: int,
        steps: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.shards = shards
        self.config = config
        self.context_length = context_length
        self.batch_size = batch_size
        stretches = _stretches(shards, config)
        windows = [
            _lay_out(shards, stretch, config, context_length, _seed_of(seed, number))
            for number, stretch in enumerate(stretches)
        ]
        sizes = [one.n_windows for one in windows]
        self.turns, self.notes = plan_turns(
            config, sizes, steps=steps, batch_size=batch_size, seed=seed
        )
        """notes: what a cap on epochs holds back, a sentence each"""
        self.n_rows = steps * batch_size
        drawn = self.turns.counts(self.n_rows)
        self.windows = tuple(
            _sort(shards, one, config, n) for one, n in zip(windows, drawn, strict=True)
        )

    @property
    def is_packed(self) -> bool:
        """Whether rows hold documents that must not see one another."""
        return self.config.packing != "none"

    def read(self, first_row: int, n_rows: int) -> Batch:
        """Return rows first_row .. first_row + n_rows - 1 of the run."""
        shape = (n_rows, self.context_length)
        ids = np.full(shape, self.shards.eot_id, np.int64)
        targets = np.full(shape, NO_TARGET, np.int64)
        positions = np.zeros(shape, np.int64)
        documents = np.full(shape, -1, np.int64)
        for row in range(n_rows):
            at = 0
            for number, (first, length) in enumerate(self._pieces(first_row + row)):
                tokens = self._tokens(first, length)
                here = slice(at, at + length)
                ids[row, here], targets[row, here] = tokens[:-1], tokens[1:]
                positions[row, here] = np.arange(length)
                documents[row, here] = number
                at += length
            positions[row, at:] = np.arange(self.context_length - at)
        if not self.is_packed:
            return Batch(ids, targets)
        return Batch(ids, targets, positions, documents)

    def n_targets(self, first_row: int, n_rows: int) -> int:
        """Count the targets of these rows without reading them: what their loss is divided by."""
        if not self.is_packed:
            return n_rows * self.context_length
        rows = range(first_row, first_row + n_rows)
        return sum(length for row in rows for _, length in self._pieces(row))

    def draws(self, first_row: int, n_rows: int) -> Iterator[Draw]:
        """Say which stretches of the stream these rows read; a lone end-of-text before a document is none."""
        for row in range(first_row, first_row + n_rows):
            source, rank = self.turns.turn(row)
            windows = self.windows[source]
            window = windows.at(rank)
            for first, length in windows.pieces(window):
                before = 0 if self.is_packed else 1
                yield Draw(row, windows.name, window, first - before, length + before, length)

    def measures(self, n_rows: int | None = None) -> dict[str, float]:
        """Return what the report says of the first rows, or of all: draws and epochs by source, packing."""
        counts = self.turns.counts(self.n_rows if n_rows is None else n_rows)
        found: dict[str, float] = {}
        for windows, n_drawn in zip(self.windows, counts, strict=True):
            found[f"draws/{windows.name}"] = float(n_drawn)
            found[f"epochs/{windows.name}"] = n_drawn / windows.n_windows
        return found | self._packing()

    def _packing(self) -> dict[str, float]:
        """Compare packed windows with plain ones, over an epoch of all sources."""
        packed = [one.packed for one in self.windows if one.packed is not None]
        plain = [one.plain for one in self.windows if one.plain is not None]
        if not packed:
            return {}
        n_kept = sum(int(one.pieces.length.sum()) for one in packed)
        n_discarded = sum(one.pieces.n_discarded for one in packed)
        n_windows = sum(one.n_windows for one in packed)
        n_tokens = n_kept + n_discarded
        return {
            "packing_windows": float(n_windows),
            "packing_utilisation": n_kept / (n_windows * self.context_length),
            "packing_discarded_share": n_discarded / n_tokens,
            "plain_windows": float(sum(one.n_windows for one in plain)),
            "plain_cut_share": sum(one.n_cut for one in plain)
            / sum(one.n_documents for one in plain),
            "plain_foreign_share": sum(one.n_foreign for one in plain) / n_tokens,
        }

    def describe(self) -> Iterator[str]:
        """Say in sentences what the run reads: epochs of each source, what is held back, how it is packed."""
        found = self.measures()
        for one in self.windows:
            n_drawn = found[f"draws/{one.name}"]
            yield (
                f"{one.name}: {n_drawn:,.0f} windows, {found[f'epochs/{one.name}']:.2f} epochs of "
                f"{one.n_windows:,d}"
            )
        yield from self.notes
        if "packing_windows" in found:
            yield (
                f"packing {self.config.packing}: {found['packing_windows']:,.0f} windows, "
                f"{found['packing_utilisation']:.2%} of their places used, "
                f"{found['packing_discarded_share']:.2%} of the tokens discarded; plain, "
                f"{found['plain_windows']:,.0f} windows would cut {found['plain_cut_share']:.1%} of the "
                f"documents and show another one to {found['plain_foreign_share']:.1%} of the targets"
            )

    def _pieces(self, row: int) -> list[tuple[int, int]]:
        source, rank = self.turns.turn(row)
        windows = self.windows[source]
        return windows.pieces(windows.at(rank))

    def _tokens(self, first: int, length: int) -> Int64[np.ndarray, " tokens"]:
        """Read the targets and the token before them: an end-of-text where the stream begins."""
        if first:
            return self.shards.read(first - 1, length + 1).astype(np.int64)
        return np.concatenate([[self.shards.eot_id], self.shards.read(0, length)]).astype(np.int64)


def _seed_of(seed: int, source: int) -> int:
    """Return the seed of a source's order; the first keeps the run's."""
    return mix_bits(seed + source * _SEED_STEP) if source else seed


def _stretches(shards: TokenShards, config: DataConfig) -> Sequence[Stretch]:
    if not config.sources:
        return [Stretch("all", 0, shards.n_tokens)]
    known = {stretch.name: stretch for stretch in shards.sources}
    missing = [name for name in config.sources if name not in known]
    if missing:
        raise InputError(
            f"found no source {', '.join(missing)} in the token shards; expected some of "
            f"{', '.join(known) or 'none: they are one stream'}; write shards by source with "
            'mix.method = "sources", or correct data.sources'
        )
    return [known[name] for name in config.sources]


def _lay_out(
    shards: TokenShards, stretch: Stretch, config: DataConfig, context_length: int, seed: int
) -> Windows:
    packed, plain = None, None
    if config.packing == "none":
        n_windows = count_windows(stretch.n_tokens, context_length)
    else:
        ends = packing.document_ends(shards, stretch.start, stretch.n_tokens)
        is_split = config.packing == "split"
        pieces = packing.cut_documents(stretch.start, ends, context_length, split=is_split)
        packed = packing.pack(pieces, context_length)
        plain = packing.compare_plain(stretch.start, ends, context_length)
        n_windows = packed.n_windows
    order = BatchOrder(n_windows, seed)
    return Windows(stretch.name, stretch, order, context_length, packed, plain)


def _sort(shards: TokenShards, windows: Windows, config: DataConfig, n_drawn: int) -> Windows:
    """Sort the windows that come first, as the curriculum says."""
    if config.curriculum == "none":
        return windows
    n_sorted = min(round(config.curriculum_share * n_drawn), windows.n_windows)
    chosen = windows.order.first_windows(n_sorted)
    ordered = curriculum.sort_windows(chosen, _scores(shards, windows, config, chosen))
    return replace(windows, sorted_windows=ordered)


def _scores(
    shards: TokenShards,
    windows: Windows,
    config: DataConfig,
    chosen: Int64[np.ndarray, " windows"],
) -> Float64[np.ndarray, " windows"]:
    """Return the score of each window: the mean over its targets."""
    found = [windows.pieces(window) for window in chosen.tolist()]
    pieces = np.array([piece for one in found for piece in one], np.int64).reshape(-1, 2)
    first, length = pieces[:, 0], pieces[:, 1]
    start, n_tokens = windows.stretch.start, windows.stretch.n_tokens
    if config.curriculum == "length":
        ends = packing.document_ends(shards, start, n_tokens)
        totals = curriculum.document_lengths(start, ends, first, length)
    else:
        costs = curriculum.surprisals(shards, start, n_tokens)
        totals = curriculum.total_surprisal(shards, costs, first, length)
    owner = np.repeat(np.arange(len(found)), [len(one) for one in found])
    sums = np.bincount(owner, totals, minlength=len(found))
    counts = np.bincount(owner, length.astype(np.float64), minlength=len(found))
    return sums / np.maximum(counts, 1.0)
