"""All statistics of many documents, compiled where that is worth while.

Up to `WARM_CHARS` characters are measured by the reference in plain Python, which needs nothing to
be loaded, and up to `COLD_CHARS` where the kernels have not been compiled on this machine yet. Both
ways give the same numbers and the same text, to the last bit.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lmcore.curate.config import CurateConfig
from lmcore.curate.heuristics import Measurement, measure_document
from lmcore.kernels import compiling

if TYPE_CHECKING:
    from lmcore.curate.statistics_compiled import CompiledMeasurer

KERNELS: Final = tuple(f"lmcore.curate.kernels.{name}" for name in ("lines", "repetition"))
WARM_CHARS: Final = 4_000_000
"""Measured in plain Python in 1.2 s, as long as it takes to load the kernels."""
COLD_CHARS: Final = 10_000_000
"""Measured in plain Python in 3 s. Compiling takes longer, but every later process gains by it."""


def is_worth_while(n_chars: int) -> bool:
    """Return whether kernels should be used once so many characters are, or were, to be measured."""
    if n_chars <= WARM_CHARS or not compiling.is_installed():
        return False
    return n_chars > COLD_CHARS or compiling.is_compiled(*KERNELS)


class Measurer:
    """Measures documents; it goes over to the kernels once there have been enough."""

    def __init__(self, config: CurateConfig) -> None:
        self._config = config
        self._n_chars = 0
        self._compiled: CompiledMeasurer | None = None

    def measure(self, texts: Sequence[str], languages: Sequence[str]) -> list[Measurement]:
        """Measure documents, each with the language (ISO 639-1) whose stop words it may hold."""
        self._n_chars += sum(map(len, texts))
        if self._compiled is None and is_worth_while(self._n_chars):
            compiling.announce("the rules of curation, about 20 s", *KERNELS)
            from lmcore.curate.statistics_compiled import CompiledMeasurer  # loads kernels

            self._compiled = CompiledMeasurer(self._config)
        if self._compiled is not None:
            return self._compiled.measure(texts, languages)
        return [
            measure_document(text, language, self._config)
            for text, language in zip(texts, languages, strict=True)
        ]
