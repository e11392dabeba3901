"""Records golden.json: what jax.numpy gives for a list of calls. Run with jax 0.10.2 on CPU: python record.py > golden.json

An argument is a number, a list of numbers, a string, or an array {"dtype", "shape", "values"}. Keyword arguments become one options object.
"""
import json
import re
import sys

import numpy as onp

import jax
import jax.numpy as jnp

rng = onp.random.RandomState(0)
f = onp.float32
short = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "int32": "i32", "int8": "i8", "int16": "i16", "uint8": "u8",
         "uint16": "u16", "uint32": "u32", "bool": "bool"}


def number(x):
    if isinstance(x, (onp.float32, onp.float16)) and onp.isfinite(x) and x != 0:
        return float(str(x))  # the shortest digits that read back as the same element
    x = x.item() if hasattr(x, "item") else x
    if isinstance(x, bool) or isinstance(x, int):
        return x
    x = float(x)
    return "nan" if x != x else "inf" if x == float("inf") else "-inf" if x == float("-inf") else "-0" if x == 0 and onp.signbit(x) else x


def encode(x):
    if isinstance(x, (onp.ndarray, jax.Array)):
        a = onp.asarray(x)
        flat = a.astype(onp.float32) if str(a.dtype) == "bfloat16" else a
        out = {"dtype": short[str(a.dtype)], "shape": list(a.shape), "values": [number(v) for v in flat.ravel()]}
        if isinstance(x, jax.Array) and x.weak_type:
            out["weak"] = True
        return out
    if isinstance(x, (list, tuple)):
        return [encode(v) for v in x]
    if isinstance(x, slice):
        return {"slice": [x.start, x.stop, x.step]}
    return x


def camel(name):
    return re.sub(r"_(\w)", lambda m: m.group(1).upper(), name)


cases = []


def add(name, *args, **kwargs):
    fn = jnp
    for part in name.split("."):
        fn = getattr(fn, part)
    result = fn(*[jnp.asarray(a) if isinstance(a, onp.ndarray) else
                  [jnp.asarray(b) if isinstance(b, onp.ndarray) else b for b in a] if isinstance(a, list) and name in joins else a
                  for a in args], **kwargs)
    options = {camel(k): encode(v) for k, v in kwargs.items()}
    if "dtype" in options:
        options["dtype"] = short[options["dtype"]]
    cases.append({"name": camel(name), "args": [encode(a) for a in args], "options": options or None, "result": encode(result)})


joins = {"concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "meshgrid"}
x = rng.randn(3, 4).astype(f)
y = rng.randn(3, 4).astype(f)
row = rng.randn(4).astype(f)
col = rng.randn(3, 1).astype(f)
pos = (onp.abs(x) + f(0.1)).astype(f)
unit = onp.clip(x / 3, -0.95, 0.95).astype(f)
special = onp.array([onp.nan, onp.inf, -onp.inf, -0.0, 0.0, 1.5, -2.5, 0.5], f)
ints = rng.randint(-9, 10, (3, 4)).astype(onp.int32)
nonzero = onp.where(ints == 0, 3, ints).astype(onp.int32)
small = rng.randint(-9, 10, (2, 3)).astype(onp.int8)
bytes_ = rng.randint(0, 256, (2, 3)).astype(onp.uint8)
words = rng.randint(0, 2**31, (2, 3)).astype(onp.uint32)
flags = rng.rand(3, 4) > 0.5
half = rng.randn(2, 3).astype(onp.float16)
cube = rng.randn(2, 3, 4).astype(f)
empty = onp.zeros((0, 3), f)

for name in ["sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh", "exp", "exp2", "expm1", "cbrt", "square", "abs", "fabs", "sign",
             "negative", "positive", "floor", "ceil", "trunc", "rint", "round", "degrees", "radians", "sinc", "isnan", "isinf", "isfinite",
             "signbit", "isposinf", "isneginf", "logical_not", "nan_to_num", "reciprocal"]:
    add(name, x)
    add(name, special)
for name in ["sin", "exp", "sqrt", "abs", "sign", "negative", "floor", "square", "reciprocal", "isnan", "logical_not", "round", "rint", "fabs", "signbit"]:
    add(name, nonzero)
for name in ["sin", "abs", "square", "logical_not", "floor"]:
    add(name, half)
for name in ["log", "log2", "log10", "log1p", "sqrt", "arccosh"]:
    add(name, pos + f(1))
    add(name, special)
for name in ["arcsin", "arccos", "arctanh"]:
    add(name, unit)
for name in ["bitwise_not", "invert", "abs"]:
    add(name, small)
    add(name, bytes_)
add("bitwise_not", flags)
add("abs", flags)

arithmetic = ["add", "subtract", "multiply", "divide", "floor_divide", "remainder", "mod", "fmod", "maximum", "minimum", "fmax", "fmin",
              "hypot", "arctan2", "logaddexp", "logaddexp2", "copysign", "power", "float_power", "heaviside", "nextafter"]
comparisons = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
for name in arithmetic + comparisons:
    a, b = (pos, y) if name in ("power", "float_power") else (x, y)
    add(name, a, b)
    add(name, a, row)
    add(name, col, b)
    add(name, special, special[::-1].copy())
    if name not in ("nextafter",):
        add(name, a, 2)
        add(name, a, 0.5)
for name in ["add", "subtract", "multiply", "divide", "floor_divide", "remainder", "fmod", "maximum", "equal", "less"]:
    add(name, ints, nonzero)
    add(name, nonzero, 3)
    add(name, nonzero, 2.5)
    add(name, 7, nonzero)
    add(name, small, bytes_)
    add(name, bytes_, 2)
    add(name, words, words[:1] + onp.uint32(1))
    add(name, half, x[:2, :3])
    add(name, half, small)
    add(name, nonzero, x)
add("add", flags, flags)
add("multiply", flags, flags)
add("add", flags, 1)
add("add", flags, 1.5)
add("add", bytes_, 300)
add("divide", flags, 2)
add("power", nonzero, 3)
add("power", x, 3)
add("power", x, -2)
add("power", nonzero, onp.abs(nonzero) % 5)
add("power", x, onp.abs(ints) % 4)
add("power", 2.0, x)
for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    add(name, ints, nonzero)
    add(name, bytes_, 15)
    add(name, flags, flags[:, ::-1].copy())
for name in ["left_shift", "right_shift"]:
    add(name, ints, onp.abs(ints) % 8)
    add(name, bytes_, 3)
for name in ["logical_and", "logical_or", "logical_xor"]:
    add(name, ints, nonzero)
    add(name, flags, x)
add("where", flags, x, y)
add("where", flags, x, 0)
add("where", x > 0, ints, 2.5)
add("where", flags, row, col)
add("where", ints, x, 1)
add("clip", x, -0.5, 0.5)
add("clip", ints, 0, 5)
add("clip", ints, 0, 2.5)
add("clip", x, row, None)
add("clip", x, max=0.25)
add("isclose", x, x + f(1e-6))
add("isclose", special, special)
add("isclose", special, special, equal_nan=True)
add("isclose", ints, ints)
add("allclose", x, x)
add("array_equal", x, y)
add("array_equal", x, row)
add("nan_to_num", special, nan=1.0, posinf=2.0, neginf=-3.0)
add("round", x, 2)
add("round", x * 100, -1)

for name in ["sum", "prod", "mean", "var", "std", "max", "min", "all", "any", "argmax", "argmin", "ptp", "count_nonzero"]:
    for a in [cube, ints, flags] if name not in ("ptp",) else [cube, ints]:
        add(name, a)
        add(name, a, axis=0)
        add(name, a, axis=-1)
        if name not in ("count_nonzero",):
            add(name, a, axis=1, keepdims=True)
        if name not in ("argmax", "argmin"):
            add(name, a, axis=(0, 1))
for name in ["sum", "prod", "max", "min", "mean"]:
    for a in [small, bytes_, half, special]:
        add(name, a)
        add(name, a, axis=0)
add("sum", empty)
add("sum", empty, axis=0)
add("prod", empty, axis=1)
add("sum", x, axis=())
add("sum", x, dtype="float16")
add("sum", x, initial=10.0)
add("sum", x, where=flags)
add("max", x, where=flags, initial=-1.0, axis=0)
add("max", x, initial=1.0)
add("mean", x, where=flags)
add("mean", x, axis=0, where=flags)
add("var", x, ddof=1)
add("var", x, axis=0, where=flags)
add("std", ints, axis=1, ddof=1)
add("sum", 3.0)
add("max", special)
add("argmax", special)
add("argmin", special)
add("average", x)
add("average", x, axis=0, weights=pos)
add("average", x, axis=1, weights=row)
add("cumsum", x, axis=1)
add("cumsum", ints)
add("cumsum", flags, axis=0)
add("cumprod", x, axis=0)
for name in ["nansum", "nanprod", "nanmean", "nanmax", "nanmin"]:
    add(name, special[:1])
    add(name, onp.where(flags, x, onp.nan).astype(f), axis=0)
    add(name, onp.where(flags, x, onp.nan).astype(f))
    add(name, ints)
add("median", x)
add("median", x, axis=1)
add("median", x[:, :3], axis=1, keepdims=True)
add("bincount", onp.array([1, 3, 1, 0], onp.int32), length=5)

add("reshape", x, [2, 6])
add("reshape", x, [-1, 2])
add("reshape", cube, [4, -1])
add("ravel", cube)
add("transpose", cube)
add("transpose", cube, [1, 0, 2])
add("swapaxes", cube, 0, -1)
add("moveaxis", cube, 0, -1)
add("moveaxis", cube, [0, 1], [-1, 0])
add("squeeze", col)
add("squeeze", cube[:1, :, :1], axis=0)
add("expand_dims", x, 0)
add("expand_dims", x, [0, -1])
add("broadcast_to", row, [3, 4])
add("broadcast_arrays", row, col)
add("concatenate", [x, y])
add("concatenate", [x, ints], axis=1)
add("concatenate", [x, y], axis=None)
add("stack", [x, y])
add("stack", [x, y], axis=-1)
add("stack", [x, y], axis=1)
for name in ["hstack", "vstack", "dstack", "column_stack"]:
    add(name, [row, row])
    add(name, [x, y])
add("split", x, 2, 1)
add("split", x, [1, 2])
add("array_split", x, 3, 1)
add("flip", x)
add("flip", x, axis=1)
add("fliplr", x)
add("flipud", x)
add("roll", x, 1)
add("roll", x, 2, 1)
add("roll", x, [1, -1], [0, 1])
for k in range(4):
    add("rot90", x, k)
add("tile", row, 2)
add("tile", x, [2, 1, 2])
add("tile", cube, 2)
add("repeat", x, 2)
add("repeat", x, 2, 1)
add("pad", row, [1, 2])
add("pad", x, [[1, 0], [0, 2]], constant_values=7.0)
add("pad", x, 1, mode="edge")
add("pad", x, 2, mode="reflect")
add("pad", x, 2, mode="wrap")
add("atleast_1d", onp.full((), 2.0, f))
add("atleast_2d", row)
add("atleast_3d", row)
add("atleast_3d", x)
add("unstack", x)
add("matrix_transpose", cube)
add("permute_dims", cube, [2, 0, 1])

add("matmul", x, y.T.copy())
add("matmul", row, row)
add("matmul", x, row)
add("matmul", row, y.T.copy())
add("matmul", cube, row)
add("matmul", cube, rng.randn(4, 2).astype(f))
add("matmul", cube, rng.randn(2, 4, 5).astype(f))
add("matmul", cube[:1], rng.randn(2, 4, 5).astype(f))
add("matmul", x, rng.randn(2, 4, 5).astype(f))
add("matmul", row, rng.randn(2, 4, 5).astype(f))
add("matmul", ints, ints.T.copy())
add("matmul", ints, y.T.copy())
add("dot", x, row)
add("dot", cube, rng.randn(5, 4, 2).astype(f))
add("dot", x, 2.0)
add("vdot", x, y)
add("vecdot", x, y)
add("inner", x, y)
add("inner", cube, x)
add("outer", row, col)
add("outer", ints, row)
add("tensordot", cube, rng.randn(3, 4, 5).astype(f))
add("tensordot", x, y, [[0, 1], [0, 1]])
add("tensordot", x, row, 1)
add("tensordot", x, row, 0)
add("kron", x, y[:2, :2])
add("kron", row, x)
add("cross", x[:, :3], y[:, :3])
add("trace", x)
add("trace", x, offset=1)
add("diagonal", x)
add("diagonal", x, offset=1)
add("diagonal", x, offset=-1)
add("diagonal", cube, axis1=1, axis2=2)
add("diag", row)
add("diag", row, 1)
add("diag", row, -2)
add("diag", x)
add("diag", x, 1)
for spec, *ops in [("ij,jk->ik", x, y.T.copy()), ("ij,ij->", x, y), ("ij->ji", x), ("ij->", x), ("ii->i", x[:3, :3]), ("ii", x[:3, :3]),
                   ("i,j->ij", row, row), ("ij,j", x, row), ("bij,bjk->bik", cube, rng.randn(2, 4, 5).astype(f)), ("...ij,jk->...ik", cube, y.T.copy()),
                   ("ij,jk,kl->il", x, y.T.copy(), rng.randn(3, 2).astype(f)), ("bij,bkj->bik", cube, cube), ("ijk,k->ij", cube, row),
                   ("ij,ij->ij", x, y), ("ij,kj->ik", x, y), ("...j,...j", cube, cube), ("ab,b,a->", x, row, rng.randn(3).astype(f)),
                   ("ij,i->j", x, rng.randn(3).astype(f)), ("ijk->ki", cube), ("iij->j", rng.randn(3, 3, 2).astype(f)), ("i...,i...->...", x, y)]:
    add("einsum", spec, *ops)

add("take", x, onp.array([2, 0], onp.int32))
add("take", x, onp.array([[2, 0], [1, -1]], onp.int32), axis=0)
add("take", x, onp.array([5, 1], onp.int32), axis=1)
add("take", x, onp.array([5, 1], onp.int32), axis=1, mode="clip")
add("take", x, onp.array([5, -6], onp.int32), axis=1, mode="wrap")
add("take", ints, onp.array([9, -99, 3], onp.int32))
add("take", x, 2, axis=0)
add("take_along_axis", x, onp.argsort(x, 1).astype(onp.int32), 1)
add("take_along_axis", x, onp.array([[1, 0, 2, 0]], onp.int32), 0)
add("searchsorted", onp.sort(row), x)
add("searchsorted", onp.array([0, 1, 1, 2], f), onp.array([1.0, 0.5], f), side="right")
add("sort", x)
add("sort", x, axis=0)
add("sort", special)
add("sort", ints, axis=None)
add("argsort", x)
add("argsort", ints, axis=0)
add("argsort", special)
add("tril", x)
add("tril", x, 1)
add("triu", cube, -1)
add("eye", 3)
add("eye", 2, 4, 1)
add("eye", 4, 2, -1)
add("tri", 3, 4, 1)
add("identity", 2)
add("arange", 5)
add("arange", 2, 11, 3)
add("arange", 5, 0, -2)
add("arange", 0.5, 3)
add("linspace", 0.0, 1.0, 7)
add("linspace", 2.0, -3.0, 4, endpoint=False)
add("linspace", 1.0, 2.0, 1)
add("linspace", 1.0, 2.0, 0)
add("linspace", row, 2.0, 3)
add("zeros", [2, 3])
add("ones", 3)
add("full", [2], 1.5)
add("full_like", ints, 7)
add("zeros_like", half)
add("ones_like", x, dtype="int32")
add("meshgrid", onp.arange(2, dtype=onp.int32), onp.arange(3, dtype=onp.int32))
cases[-1]["args"] = [cases[-1]["args"]]
add("meshgrid", onp.arange(2, dtype=onp.int32), onp.arange(3, dtype=onp.int32), indexing="ij")
cases[-1]["args"] = [cases[-1]["args"]]

# Corners: divisions by zero, NaN in order statistics, masks beside initial values, positions out of range.
ints0 = onp.array([5, -5, 0, 7], onp.int32)
zeros0 = onp.array([0, 0, 0, -2], onp.int32)
for name in ["floor_divide", "remainder", "fmod", "divmod"]:
    add(name, ints0, zeros0)
    add(name, onp.array([7, 9], onp.uint32), onp.array([1, 2], onp.uint32))
    add(name, onp.array([True]), onp.array([True]))
for name in ["remainder", "fmod"]:
    add(name, onp.array([7, 9], onp.uint32), onp.array([0, 2], onp.uint32))
add("floor_divide", onp.array([5, -5, 0, 7, onp.inf, onp.nan, 3, -3], f), onp.array([0, 0, 0, -2, 2, 1, onp.inf, onp.inf], f))
add("left_shift", onp.array([True]), onp.array([True]))
add("right_shift", onp.array([True]), onp.array([1], onp.int32))
add("power", onp.array([0, 0, 3, -1], onp.int32), onp.array([64, 0, 70, 65], onp.int32))
add("power", onp.array([3, 0], onp.uint32), onp.array([200, 64], onp.uint32))
add("power", onp.array([[2], [3]], f), onp.array([3, -1], onp.int32))
add("hypot", onp.array([onp.inf, onp.nan, onp.inf, 0, 1e30], f), onp.array([onp.nan, onp.inf, -onp.inf, -0.0, 1e30], f))
add("round", onp.array([1.2548828, 100.5], onp.float16), 3)
add("isclose", onp.array([100000, 2], onp.int32), onp.array([100001, 3], onp.int32))
add("linspace", -1.5, 1.5, 4, dtype="int32")
one_nan = onp.array([[1, onp.nan, 2], [3, 4, 5]], f)
all_nan = onp.array([onp.nan, onp.nan], f)
first = onp.array([True, True, False])
add("median", one_nan)
add("median", one_nan, axis=1)
add("median", cube, axis=(0, 2))
add("median", cube, axis=(0, 2), keepdims=True)
add("median", onp.array([1, 5, 2, 4], onp.int32))
add("nanmax", all_nan, initial=3.0)
add("nanmin", all_nan, initial=3.0)
add("nanmax", onp.array([onp.nan, 1, 5], f), where=first, initial=-9.0)
add("nanmean", onp.array([onp.nan, 1, 5], f), where=first)
add("nanmean", onp.array([2, 1, 5], onp.int32), where=first)
add("searchsorted", onp.array([1, 2, 3, onp.nan], f), onp.array([onp.nan, 0, 2, 5], f))
add("searchsorted", onp.array([1, 2, 3, onp.nan], f), onp.array([onp.nan, 0, 2, 5], f), side="right")
add("bincount", onp.array([1, -1, 2, 9], onp.int32), length=4)
add("bincount", onp.array([1, 255, 2], onp.uint8), length=300)
outside = onp.array([-1, -7, 9], onp.int32)
for mode in ["clip", "wrap", "fill"]:
    add("take", onp.arange(5, dtype=f), outside, mode=mode)
add("take", onp.arange(5, dtype=f), onp.array([-1, -128, 100], onp.int8), mode="wrap")
add("take", onp.array([True, False]), onp.array([1, 5], onp.int32))

indices = []
s_ = onp.s_


def place(op, x, index, values=None, **kwargs):
    index = index if isinstance(index, tuple) else (index,)
    at = jnp.asarray(x).at[tuple(jnp.asarray(i) if isinstance(i, onp.ndarray) else i for i in index)]
    result = at.get(**kwargs) if values is None else getattr(at, op)(jnp.asarray(values) if isinstance(values, onp.ndarray) else values, **kwargs)
    shown = ["..." if i is Ellipsis else encode(i) for i in index]
    indices.append({"op": op, "x": encode(x), "index": shown, "values": encode(values), "options": {camel(k): v for k, v in kwargs.items()} or None,
                    "result": encode(result)})


two = onp.array([1, 0], onp.int32)
grid = onp.array([[0, -1], [2, 1]], onp.int32)
one = onp.array(1, onp.int32)
minus = onp.array(-1, onp.int32)
far = onp.array([7, -9, 1], onp.int32)
for index in [s_[1], s_[-1], s_[1:3], s_[::2], s_[::-1], s_[2:0:-1], s_[..., 1], s_[None], s_[:, None, 1], s_[1, 2, 3], s_[0:0], s_[1, ..., None],
              s_[-2:, 1:, :-1], s_[:, 1], s_[1:, ::2, ::-1], one, minus, s_[one, 2], s_[:, one], s_[one, :, minus], s_[one, 1:, None], two, grid,
              s_[:, two], s_[two, two], s_[two, :, two], s_[:, two, 1], s_[0, :, two], s_[grid, two], s_[..., two], s_[two, None], s_[:, two, one],
              s_[two, 1:3], s_[two, ::2], s_[two, ::-1], s_[::2, two], s_[:, :, grid], far, s_[:, far]]:
    place("get", cube, index)
    view = onp.asarray(jnp.asarray(cube)[tuple(jnp.asarray(i) if isinstance(i, onp.ndarray) else i for i in (index if isinstance(index, tuple) else (index,)))])
    news = onp.asarray(rng.randn(*view.shape), f)
    place("set", cube, index, 7.0)
    place("add", cube, index, news)
for op in ["multiply", "min", "max", "subtract", "divide"]:
    place(op, x, s_[1], 2.0)
    place(op, x, s_[:, two], y[:, :2])
    place(op, x, s_[two, two], 2.0)
place("power", x, s_[1:], 2.0)
place("add", x, onp.array([0, 0, 2], onp.int32), x)
place("set", ints, s_[0], 2.6)
place("set", x, s_[:, 1:3], row[:2])
place("set", x, far, 1.0, mode="clip")
place("get", x, far, mode="fill")
place("get", x, far, mode="fill", fill_value=-1.0)
place("get", x, far, mode="clip")
place("get", ints, far, mode="fill")
place("set", x, onp.array(9, onp.int32), 1.0)
place("get", x, onp.array(9, onp.int32))
place("divide", ints, s_[0], 2)

json.dump({"jax": jax.__version__, "cases": cases, "indices": indices}, sys.stdout, separators=(",", ":"))
