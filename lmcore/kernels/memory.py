"""Memory as the kernels see it: spans, loads and stores, and 64 bytes compared at once.

A *span* is a tuple (address, size in bytes) made from an array by `span_of`. Passing arrays into
small numba functions costs two atomic reference counts a call (measured: 256 MB/s of pre-tokens
against 921 with spans); a span is two integers in registers.

Invariants, for every kernel of this package:
- A span is made in the compiled function that received the array as an argument, and never
  outlives that call: the array is kept alive by the caller for as long as the address is used.
- Kernels never allocate. One that runs out of room stops before the step that needs it and says
  so; its owner in Python makes room and calls again.
- All integers are int64; masks are 64 bits in an int64, shifted right with `shift_right` alone.
- What two threads may write is read with `load_shared` and written with `publish`, `claim` and
  `add_shared`, at offsets that are multiples of 8 of an array that numpy made. Whatever a thread
  stored before it published a value is there for those that load the value.
- Text is followed by `PADDING` bytes of the same span, so that wide loads may start anywhere in it.

With NUMBA_BOUNDSCHECK=1, numba's own switch, every load and store is checked against its span and
raises IndexError outside of it. The fuzz tests run that way. Without it nothing is checked.

The intrinsics are LLVM instructions that exist on every target; no CPU is assumed.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lmcore.kernels.compiling import CHECKED, inlined

PADDING: Final = 128
"""Bytes after the text that may be loaded, though they are never part of a result."""

Span = tuple[int, int]

_TYPES: Any = types  # numba types few of its own functions
_SPAN = _TYPES.UniTuple(types.int64, 2)
_BYTE, _INT = ir.IntType(8), ir.IntType(64)
_BLOCK = ir.VectorType(_BYTE, 64)

# numba and llvmlite ship no types: what their objects are is Any throughout this module.
Signature = tuple[Any, Callable[..., Any]]


def instruction(generator: Callable[..., Signature]) -> Callable[..., int]:
    """Return what kernels call for the instructions that the generator writes."""
    compiled: Callable[..., int] = intrinsic(inspect.unwrap(generator))
    return compiled


@inlined
def span_of(array: np.ndarray) -> Span:
    """Return where a contiguous array lies; the array must stay alive."""
    return np.int64(array.ctypes.data), np.int64(array.nbytes)  # type: ignore[return-value]  # int64 is the compiled int


def _pointer(context: Any, builder: Any, arguments: Any, width: int, kind: Any) -> Any:
    """Return a pointer to `width` bytes at an offset of a span, checked where asked for."""
    span, offset = arguments[0], arguments[1]
    if CHECKED:
        size = builder.extract_value(span, 1)
        last = builder.sub(size, ir.Constant(_INT, width))
        outside = builder.or_(
            builder.icmp_signed("<", offset, ir.Constant(_INT, 0)),
            builder.icmp_signed(">", offset, last),
        )
        with builder.if_then(outside, likely=False):
            message = f"access of {width} bytes outside of the span"
            context.call_conv.return_user_exc(builder, IndexError, (message,))
    address = builder.add(builder.extract_value(span, 0), offset)
    return builder.inttoptr(address, kind.as_pointer())


def _loader(bits: int) -> Callable[[Span, int], int]:
    kind = ir.IntType(bits)

    def load(typing_context: Any, span: Any, offset: Any) -> Signature:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, arguments, bits // 8, kind)
            value = builder.load(pointer, align=1)
            return value if bits == 64 else builder.zext(value, _INT)

        return types.int64(_SPAN, types.int64), generate

    return instruction(load)


def _storer(bits: int) -> Callable[[Span, int, int], int]:
    kind = ir.IntType(bits)

    def store(typing_context: Any, span: Any, offset: Any, value: Any) -> Signature:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, arguments, bits // 8, kind)
            value = arguments[2] if bits == 64 else builder.trunc(arguments[2], kind)
            builder.store(value, pointer, align=1)
            return context.get_dummy_value()

        return types.void(_SPAN, types.int64, types.int64), generate

    return instruction(store)


load8, load16, load32, load64 = _loader(8), _loader(16), _loader(32), _loader(64)
"""Return the unsigned integer at a byte offset of a span (64 bits: as they are)."""
store8, store16, store32, store64 = _storer(8), _storer(16), _storer(32), _storer(64)
"""Write the low bits of an integer at a byte offset of a span."""


@instruction
def prefetch(typing_context: Any, span: Any, offset: Any) -> Signature:
    """Ask for the cache line at an offset; harmless anywhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer_type, flag = _BYTE.as_pointer(), ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [pointer_type],
            ir.FunctionType(ir.VoidType(), [pointer_type, flag, flag, flag]),
        )
        address = builder.add(builder.extract_value(arguments[0], 0), arguments[1])
        flags = [ir.Constant(flag, value) for value in (0, 3, 1)]
        builder.call(function, [builder.inttoptr(address, pointer_type), *flags])
        return context.get_dummy_value()

    return types.void(_SPAN, types.int64), generate


@instruction
def load_shared(typing_context: Any, span: Any, offset: Any) -> Signature:
    """Return the 64 bits at an offset that another thread may publish."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, arguments, 8, _INT), "acquire", 8)

    return types.int64(_SPAN, types.int64), generate


@instruction
def publish(typing_context: Any, span: Any, offset: Any, value: Any) -> Signature:
    """Write 64 bits at an offset, after everything that this thread has stored before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, arguments, 8, _INT)
        builder.store_atomic(arguments[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(_SPAN, types.int64, types.int64), generate


@instruction
def claim(typing_context: Any, span: Any, offset: Any, value: Any) -> Signature:
    """Write 64 bits where 0 stands; return 1, or 0 where another thread was first."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, arguments, 8, _INT)
        zero = ir.Constant(_INT, 0)
        swapped = builder.cmpxchg(pointer, zero, arguments[2], "acq_rel", "acquire")
        return builder.zext(builder.extract_value(swapped, 1), _INT)

    return types.int64(_SPAN, types.int64, types.int64), generate


@instruction
def add_shared(typing_context: Any, span: Any, offset: Any, value: Any) -> Signature:
    """Add to the 64 bits at an offset in one step; return what stood there before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, arguments, 8, _INT)
        return builder.atomic_rmw("add", pointer, arguments[2], "monotonic")

    return types.int64(_SPAN, types.int64, types.int64), generate


@instruction
def shift_right(typing_context: Any, value: Any, places: Any) -> Signature:
    """Return the value shifted towards its low bits, zeros coming in; places in 0..63."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.lshr(arguments[0], arguments[1])

    return types.int64(types.int64, types.int64), generate


@instruction
def trailing_zeros(typing_context: Any, value: Any) -> Signature:
    """Return the place of the lowest bit that is set, 64 where none is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


@instruction
def count_bits(typing_context: Any, value: Any) -> Signature:
    """Return how many bits are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


@instruction
def fold_product(typing_context: Any, left: Any, right: Any) -> Signature:
    """Return the high half of the 128-bit product xor its low half: a cheap, good hash."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        high = builder.lshr(product, ir.Constant(wide, 64))
        return builder.xor(builder.trunc(product, _INT), builder.trunc(high, _INT))

    return types.int64(types.int64, types.int64), generate


def _block(context: Any, builder: Any, arguments: Any) -> Any:
    return builder.load(_pointer(context, builder, arguments, 64, _BLOCK), align=1)


def _every(value: int) -> Any:
    return ir.Constant(_BLOCK, [ir.Constant(_BYTE, value)] * 64)


def _between(builder: Any, block: Any, low: int, n_values: int) -> Any:
    return builder.icmp_unsigned("<", builder.sub(block, _every(low)), _every(n_values))


def _equal(builder: Any, block: Any, value: int) -> Any:
    return builder.icmp_unsigned("==", block, _every(value))


def _block_mask(compare: Callable[[Any, Any], Any]) -> Callable[[Span, int], int]:
    """Return an intrinsic (span, offset) -> 64 bits, one for each byte that passes."""

    def mask(typing_context: Any, span: Any, offset: Any) -> Signature:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            passed = compare(builder, _block(context, builder, arguments))
            return builder.bitcast(passed, _INT)

        return types.int64(_SPAN, types.int64), generate

    return instruction(mask)


upper_mask = _block_mask(lambda builder, block: _between(builder, block, 0x41, 26))
letter_mask = _block_mask(
    lambda builder, block: _between(builder, builder.or_(block, _every(0x20)), 0x61, 26)
)
digit_mask = _block_mask(lambda builder, block: _between(builder, block, 0x30, 10))
control_space_mask = _block_mask(lambda builder, block: _between(builder, block, 0x09, 5))
"""Tab, line feed, vertical tab, form feed, carriage return."""
blank_mask = _block_mask(lambda builder, block: _equal(builder, block, 0x20))
newline_mask = _block_mask(
    lambda builder, block: builder.or_(_equal(builder, block, 0x0A), _equal(builder, block, 0x0D))
)
apostrophe_mask = _block_mask(lambda builder, block: _equal(builder, block, 0x27))
slash_mask = _block_mask(lambda builder, block: _equal(builder, block, 0x2F))
high_mask = _block_mask(lambda builder, block: builder.icmp_signed("<", block, _every(0)))
"""Bytes of characters beyond ASCII."""
continuation_mask = _block_mask(lambda builder, block: builder.icmp_signed("<", block, _every(-64)))
"""Bytes of a character beyond ASCII that are not its first."""
two_byte_letter_mask = _block_mask(lambda builder, block: _between(builder, block, 0xD0, 2))
"""First bytes of U+0400 to U+047F: letters, all of them (Cyrillic)."""
three_byte_letter_mask = _block_mask(
    lambda builder, block: builder.or_(
        _between(builder, block, 0xE5, 5), _between(builder, block, 0xEB, 2)
    )
)
"""First bytes of U+5000 to U+9FFF and U+B000 to U+CFFF: ideographs and Hangul."""
