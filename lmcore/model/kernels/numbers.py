"""Numbers as the kernels see them: float32, and bfloat16 as the upper half of one.

numba knows no bfloat16, so a tensor of it comes as an array of its bits (uint16). `widen` takes an
element of either kind to float32 and `narrow` takes a float32 back to the kind of an element, to
the nearest, ties to even; on float32 both do nothing, so one source serves both precisions. All
are LLVM instructions that a loop is vectorised with: 16 numbers an instruction where there is
AVX-512, and no CPU is assumed.
"""

# ruff: noqa: ARG001 - numba calls with names it prescribes

import inspect
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_TYPES: Any = types  # numba types few of its own functions
_FLOAT, _WORD, _HALF = ir.FloatType(), ir.IntType(32), ir.IntType(16)

_LOWEST, _HIGHEST = -87.0, 88.0
"""exp of what is outside is that of the end: 1.6e-38 and 1.7e38, both normal in float32."""
_SHIFTER: Final = 1.5 * 2.0**23
"""Added to a float32, it leaves the nearest whole number in the lowest bits."""
_LN2_HIGH: Final = 0.693359375  # 355/512: times a whole number below 2^15 it is exact
_LN2_LOW: Final = math.log(2.0) - _LN2_HIGH
_TERMS: Final = 6
"""Of the series for |r| <= ln(2)/2: the next is r^7/5040 < 1.2e-7, half a unit in the last place."""

# numba and llvmlite ship no types: what their objects are is Any throughout this module.
Signature = tuple[Any, Callable[..., Any]]


def _instruction(generator: Callable[..., Signature]) -> Callable[..., np.float32]:
    """Return what kernels call for the instructions that the generator writes."""
    compiled: Callable[..., np.float32] = intrinsic(inspect.unwrap(generator))
    return compiled


def _rounded(builder: Any, value: Any) -> Any:
    """Write the instructions that round a float32 to bfloat16, in the upper half of the word."""
    bits = builder.bitcast(value, _WORD)
    last = builder.and_(builder.lshr(bits, ir.Constant(_WORD, 16)), ir.Constant(_WORD, 1))
    rounded = builder.add(bits, builder.add(last, ir.Constant(_WORD, 0x7FFF)))
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.select(is_nan, ir.Constant(_WORD, 0x7FC00000), rounded)


@_instruction
def widen(typing_context: Any, element: Any) -> Signature:
    """Return an element as a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if element == types.float32:
            return arguments[0]
        word = builder.zext(arguments[0], _WORD)
        return builder.bitcast(builder.shl(word, ir.Constant(_WORD, 16)), _FLOAT)

    return types.float32(element), generate


@_instruction
def narrow(typing_context: Any, value: Any, like: Any) -> Signature:
    """Return a float32 as an element of the kind of `like`; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return arguments[0]
        word = _rounded(builder, arguments[0])
        return builder.trunc(builder.lshr(word, ir.Constant(_WORD, 16)), _HALF)

    return like(types.float32, like), generate


def _split(pair_type: Any, builder: Any, pair: Any, *, is_second: bool) -> Any:
    """Write the instructions that take one number out of a pair."""
    if pair_type == types.uint64:
        pair = builder.lshr(pair, ir.Constant(ir.IntType(64), 32)) if is_second else pair
        return builder.bitcast(builder.trunc(pair, _WORD), _FLOAT)
    word = (
        builder.and_(pair, ir.Constant(_WORD, 0xFFFF0000))
        if is_second
        else builder.shl(pair, ir.Constant(_WORD, 16))
    )
    return builder.bitcast(word, _FLOAT)


@_instruction
def first_of(typing_context: Any, pair: Any) -> Signature:
    """Return the first of two neighbours as a float32; a pair is a uint32 (bfloat16) or uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _split(pair, builder, arguments[0], is_second=False)

    return types.float32(pair), generate


@_instruction
def second_of(typing_context: Any, pair: Any) -> Signature:
    """Return the second of two neighbours as a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _split(pair, builder, arguments[0], is_second=True)

    return types.float32(pair), generate


@_instruction
def pair_of(typing_context: Any, first: Any, second: Any, like: Any) -> Signature:
    """Return two float32 as a pair of the kind of `like`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.uint64:
            kind = ir.IntType(64)
            low, high = (builder.zext(builder.bitcast(x, _WORD), kind) for x in arguments[:2])
            return builder.or_(low, builder.shl(high, ir.Constant(kind, 32)))
        low, high = (_rounded(builder, x) for x in arguments[:2])
        high = builder.and_(high, ir.Constant(_WORD, 0xFFFF0000))
        return builder.or_(high, builder.lshr(low, ir.Constant(_WORD, 16)))

    return like(types.float32, types.float32, like), generate


@_instruction
def add(typing_context: Any, total: Any, value: Any) -> Signature:
    """Return a sum of float32 that may be taken in any order, so that a loop of it is vectorised.

    The order is fixed when a kernel is compiled: the same machine computes the same bits.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fadd(*arguments, flags=("reassoc", "contract"))

    return types.float32(types.float32, types.float32), generate


@_instruction
def maximum(typing_context: Any, one: Any, other: Any) -> Signature:
    """Return the larger of two float32, NaN if either is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _FLOAT])
        function = builder.module.declare_intrinsic("llvm.maximum", [_FLOAT], kind)
        return builder.call(function, arguments)

    return types.float32(types.float32, types.float32), generate


@_instruction
def exp(typing_context: Any, value: Any) -> Signature:
    """Return e to the power of a float32, within 2 units in the last place; NaN of NaN.

    x = n ln 2 + r with a whole n, so e^x = 2^n e^r: n goes into the exponent's bits, e^r is the
    series. libm's function is a call for each number; this is 20 instructions for 16 numbers.
    """

    def number(x: float) -> Any:
        return ir.Constant(_FLOAT, x)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x = arguments[0]
        x = builder.select(builder.fcmp_ordered("<", x, number(_LOWEST)), number(_LOWEST), x)
        x = builder.select(builder.fcmp_ordered(">", x, number(_HIGHEST)), number(_HIGHEST), x)
        shifted = builder.fadd(builder.fmul(x, number(1.0 / math.log(2.0))), number(_SHIFTER))
        n = builder.fsub(shifted, number(_SHIFTER))
        r = builder.fsub(x, builder.fmul(n, number(_LN2_HIGH)))
        r = builder.fsub(r, builder.fmul(n, number(_LN2_LOW)))
        total = number(1.0 / math.factorial(_TERMS))
        for k in reversed(range(_TERMS)):
            product = builder.fmul(total, r, flags=("contract",))
            total = builder.fadd(product, number(1.0 / math.factorial(k)), flags=("contract",))
        exponent = builder.shl(builder.bitcast(shifted, _WORD), ir.Constant(_WORD, 23))
        return builder.bitcast(builder.add(builder.bitcast(total, _WORD), exponent), _FLOAT)

    return types.float32(types.float32), generate
