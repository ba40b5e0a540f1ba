"""Paths that begin at neighbouring bars walked abreast in vector registers, where every bar is there.

LLVM's own vectors, so that each machine takes the width it has; `first_walk` reads the same paths one by one, bit by
bit the same.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # two 512-bit registers a value; of 8 the mispredicted end costs each more, of 32 all wait for the longest

DOUBLE, INT, LONG = ir.DoubleType(), ir.IntType(32), ir.IntType(64)
DOUBLES, INTS, FLAGS = (ir.VectorType(kind, LANES) for kind in (DOUBLE, INT, ir.IntType(1)))


@intrinsic
def first_lanes(
    typingctx: Any,
    high: Any,
    low: Any,
    entry: Any,
    upper: Any,
    lower: Any,
    horizon: Any,
    held: Any,
    highest: Any,
    lowest: Any,
) -> Any:
    """Which of its next bars is the first that reaches a barrier of LANES paths, lane i entered at bar i?

    high, low: addresses of bar 0's float64, quote currency; bars 1 … LANES+horizon−1 must be there. entry, upper,
    lower: addresses of LANES float64, quote currency. Writes LANES each: held int32, bars until that one, horizon
    where there is none; highest and lowest float64, of the bars up to it, entry included.
    """
    address = types.uint64
    return types.void(*[address] * 5, types.int64, *[address] * 3), _walk


def _walk(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Constant:
    high, low, entry, upper, lower, horizon, held, highest, lowest = args

    def at(address: ir.Value, kind: ir.Type, step: ir.Value | None = None) -> ir.Value:
        pointer = builder.inttoptr(address, DOUBLE.as_pointer())
        pointer = builder.gep(pointer, [step]) if step is not None else pointer
        return builder.bitcast(pointer, kind.as_pointer())

    def read(address: ir.Value, step: ir.Value | None = None) -> ir.Value:
        return builder.load(at(address, DOUBLES, step), align=8)

    def extreme(which: str, one: ir.Value, other: ir.Value) -> ir.Value:
        # Bars in order are no NaN, which makes it one instruction; written as a comparison it comes out as three.
        name, kind = f"llvm.{which}num.v{LANES}f64", ir.FunctionType(DOUBLES, [DOUBLES, DOUBLES])
        call = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(call, [one, other], fastmath=("nnan", "nsz"))

    begin, bar, end = builder.block, builder.append_basic_block("bar"), builder.append_basic_block("end")
    entered, above, below = read(entry), read(upper), read(lower)
    builder.branch(bar)

    builder.position_at_end(bar)
    step, bars = builder.phi(LONG), builder.phi(INTS)
    under_way, most, least = builder.phi(FLAGS), builder.phi(DOUBLES), builder.phi(DOUBLES)
    here, there = read(high, step), read(low, step)
    bars_now = builder.sub(bars, builder.sext(under_way, INTS))
    calm = builder.and_(builder.fcmp_ordered("<", here, above), builder.fcmp_ordered(">", there, below))
    goes_on = builder.and_(under_way, calm)
    most_now = builder.select(under_way, extreme("max", here, most), most)
    least_now = builder.select(under_way, extreme("min", there, least), least)
    next_step = builder.add(step, ir.Constant(LONG, 1))
    some = builder.icmp_unsigned("!=", builder.bitcast(goes_on, ir.IntType(LANES)), ir.Constant(ir.IntType(LANES), 0))
    builder.cbranch(builder.and_(some, builder.icmp_signed("<=", next_step, horizon)), bar, end)

    for phi, first, later in (
        (step, ir.Constant(LONG, 1), next_step),
        (bars, ir.Constant(INTS, [0] * LANES), bars_now),
        (under_way, ir.Constant(FLAGS, [1] * LANES), goes_on),
        (most, entered, most_now),
        (least, entered, least_now),
    ):
        phi.add_incoming(first, begin)
        phi.add_incoming(later, bar)

    builder.position_at_end(end)
    builder.store(bars_now, at(held, INTS), align=4)
    builder.store(most_now, at(highest, DOUBLES), align=8)
    builder.store(least_now, at(lowest, DOUBLES), align=8)
    return context.get_dummy_value()
