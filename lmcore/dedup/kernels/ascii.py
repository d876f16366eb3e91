"""64 bytes of ASCII at once: which of them belong to words, and their normal forms.

LLVM vector instructions that exist on every target, as in `lmcore.kernels.memory`.
"""

# ruff: noqa: ARG001 - numba calls with names it prescribes

from typing import Any

from llvmlite import ir
from numba import types

from lmcore.kernels.compiling import CHECKED, inlined
from lmcore.kernels.memory import Signature, Span, instruction, load8

BLOCK: int = 64

_TYPES: Any = types  # numba and llvmlite ship no types: what their objects are is Any here
_SPAN = _TYPES.UniTuple(types.int64, 2)
_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, BLOCK)


@inlined
def word_mask(text: Span, here: int) -> int:
    """Return 64 bits, one for each byte that is a letter, a digit or an underscore."""
    if CHECKED:
        load8(text, here), load8(text, here + BLOCK - 1)
    return _word_mask(text, here)


@inlined
def store_forms(text: Span, here: int, out: Span, at: int) -> None:
    """Write 64 bytes: letters in lower case, digits and underscores, spaces for all others."""
    if CHECKED:
        load8(text, here), load8(text, here + BLOCK - 1)
        load8(out, at), load8(out, at + BLOCK - 1)
    _store_forms(text, here, out, at)


def _pointer(builder: Any, span: Any, offset: Any) -> Any:
    address = builder.add(builder.extract_value(span, 0), offset)
    return builder.inttoptr(address, _VECTOR.as_pointer())


def _every(value: int) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_BYTE, value)] * BLOCK)


def _classes(builder: Any, block: Any) -> tuple[Any, Any, Any]:
    """Return which bytes are letters, which are digits or underscores, and all in lower case."""
    lower = builder.or_(block, _every(0x20))
    letter = builder.icmp_unsigned("<", builder.sub(lower, _every(0x61)), _every(26))
    digit = builder.icmp_unsigned("<", builder.sub(block, _every(0x30)), _every(10))
    underscore = builder.icmp_unsigned("==", block, _every(0x5F))
    return letter, builder.or_(digit, underscore), lower


@instruction
def _word_mask(typing_context: Any, span: Any, offset: Any) -> Signature:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = builder.load(_pointer(builder, *arguments), align=1)
        letter, other, _ = _classes(builder, block)
        return builder.bitcast(builder.or_(letter, other), ir.IntType(64))

    return types.int64(_SPAN, types.int64), generate


@instruction
def _store_forms(typing_context: Any, span: Any, offset: Any, out: Any, at: Any) -> Signature:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = builder.load(_pointer(builder, *arguments[:2]), align=1)
        letter, other, lower = _classes(builder, block)
        form = builder.select(letter, lower, builder.select(other, block, _every(0x20)))
        builder.store(form, _pointer(builder, *arguments[2:]), align=1)
        return context.get_dummy_value()

    return types.void(_SPAN, types.int64, _SPAN, types.int64), generate
