"""Numbers as the kernels see them: float32, and bfloat16 as the upper half of one.

numba knows no bfloat16, so a tensor of it comes as an array of its bits (uint16). `widen` takes an
element of either kind to float32 and `narrow` takes a float32 back to the kind of an element, to
the nearest, ties to even; on float32 both do nothing, so one source serves both precisions. All
are LLVM instructions that a loop is vectorised with: 16 numbers an instruction where there is
AVX-512, and no CPU is assumed.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any, Final

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


def _instruction(generator: Callable[..., Signature]) -> Callable[..., float]:
    """Return what kernels call for the instructions that the generator writes."""
    compiled: Callable[..., float] = intrinsic(inspect.unwrap(generator))
    return compiled


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
        bits = builder.bitcast(arguments[0], _WORD)
        sixteen = ir.Constant(_WORD, 16)
        is_odd = builder.and_(builder.lshr(bits, sixteen), ir.Constant(_WORD, 1))
        rounded = builder.add(bits, builder.add(is_odd, ir.Constant(_WORD, 0x7FFF)))
        is_nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        kept = builder.select(is_nan, ir.Constant(_WORD, 0x7FC00000), rounded)
        return builder.trunc(builder.lshr(kept, sixteen), _HALF)

    return like(types.float32, like), generate


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
        shifted = builder.fadd(
            builder.fmul(x, number(1.0 / math.log(2.0))), number(_SHIFTER)
        )
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
