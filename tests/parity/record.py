"""Records from JAX what parity.test.ts compares with ours: printed jaxprs, StableHLO texts, random numbers, promotions.
The programs have twins of the same name in programs.ts.

usage: pip install jax==0.10.2 && python3 tests/parity/record.py
"""
import itertools
import json
import os
import pathlib
import re

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

f32 = lambda *shape: np.zeros(shape, np.float32)
i32 = lambda *shape: np.zeros(shape, np.int32)
x, v, w, s, n = f32(3, 4), f32(4), f32(4, 5), f32(), i32()
total = lambda a: lax.reduce_sum(a, axes=tuple(range(a.ndim)))

programs = {}
unary = ["neg", "sign", "abs", "floor", "ceil", "exp", "exp2", "expm1", "log", "log1p", "logistic", "sqrt", "rsqrt", "cbrt", "sin", "cos",
         "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "square"]
for name in unary:
    f = getattr(lax, name)
    programs[f"{name}"] = (f, (x,))
    programs[f"jvp {name}"] = (lambda a, t, f=f: jax.jvp(f, (a,), (t,)), (v, v))
    programs[f"grad {name}"] = (jax.grad(lambda a, f=f: total(f(a))), (v,))
for name in ["add", "sub", "mul", "div", "rem", "pow", "max", "min", "atan2", "nextafter"]:
    f = getattr(lax, name)
    programs[f"{name}"] = (f, (x, x))
    if name != "nextafter":
        programs[f"jvp {name}"] = (lambda a, b, f=f: jax.jvp(f, (a, b), (b, a)), (v, v))
        programs[f"vmap {name}"] = (jax.vmap(f, in_axes=(0, None)), (x, v))

double = jax.custom_jvp(lambda a: lax.mul(a, 2.0))
double.fun.__name__ = "double"
double.defjvp(lambda primals, tangents: (double(primals[0]), lax.mul(tangents[0], 2.0)))
inner = jax.jit(lambda a: lax.sin(a))
mlp = lambda p, a: lax.dot(lax.tanh(lax.dot(a, p["w"])), p["v"])
dims = (((1,), (0,)), ((), ()))
batch = (((2,), (1,)), ((0,), (0,)))

programs |= {
    "nothing": (lambda a: a, (x,)),
    "a constant": (lambda: 1.0, ()),
    "two results": (lambda a: (lax.sin(a), lax.cos(a)), (x,)),
    "a number": (lambda a: lax.add(a, 2.0), (x,)),
    "compare": (lambda a, b: (lax.eq(a, b), lax.ne(a, b), lax.lt(a, b), lax.le(a, b), lax.gt(a, b), lax.ge(a, b)), (x, x)),
    "select": (lambda a: lax.select(lax.gt(a, 0.0), a, lax.neg(a)), (x,)),
    "clamp": (lambda a: lax.clamp(0.0, a, 1.0), (x,)),
    "integer pow": (lambda a: lax.integer_pow(a, 3), (x,)),
    "grad integer pow": (jax.grad(lambda a: lax.integer_pow(a, 3)), (s,)),
    "round": (lambda a: lax.round(a, lax.RoundingMethod.TO_NEAREST_EVEN), (x,)),
    "is finite": (lax.is_finite, (x,)),
    "convert": (lambda a: (lax.convert_element_type(a, np.int32), lax.convert_element_type(a, np.float16)), (x,)),
    "bitcast": (lambda a: lax.bitcast_convert_type(a, np.uint32), (x,)),
    "stop gradient": (jax.grad(lambda a: lax.mul(a, lax.stop_gradient(a))), (s,)),
    "iota": (lambda: lax.broadcasted_iota(np.int32, (3, 4), 1), ()),
    "full": (lambda: lax.full((2, 3), 1.5, np.float32), ()),
    "broadcast": (lambda a: lax.broadcast_in_dim(a, (2, 3, 4), (1, 2)), (x,)),
    "grad broadcast": (jax.grad(lambda a: total(lax.sin(lax.broadcast_in_dim(a, (3, 4), (1,))))), (v,)),
    "reshape": (lambda a: lax.reshape(a, (2, 6)), (x,)),
    "vmap reshape": (jax.vmap(lambda a: lax.reshape(a, (2, 2))), (x,)),
    "squeeze": (lambda a: lax.squeeze(a, (0,)), (f32(1, 4),)),
    "expand dims": (lambda a: lax.expand_dims(a, (1,)), (x,)),
    "transpose": (lambda a: lax.transpose(a, (1, 0)), (x,)),
    "vmap transpose": (jax.vmap(lambda a: lax.transpose(a, (1, 0)), in_axes=1), (f32(2, 3, 4),)),
    "rev": (lambda a: lax.rev(a, (0, 1)), (x,)),
    "concatenate": (lambda a: lax.concatenate([a, a], 1), (x,)),
    "grad concatenate": (jax.grad(lambda a: total(lax.sin(lax.concatenate([a, a], 0)))), (v,)),
    "slice": (lambda a: lax.slice(a, (0, 1), (3, 4), (2, 1)), (x,)),
    "grad slice": (jax.grad(lambda a: total(lax.sin(lax.slice(a, (1,), (3,))))), (v,)),
    "vmap slice": (jax.vmap(lambda a: lax.slice(a, (1,), (3,))), (x,)),
    "pad": (lambda a: lax.pad(a, 0.5, ((1, 0, 0), (0, 2, 1))), (x,)),
    "dynamic slice": (lambda a, i: lax.dynamic_slice(a, (i, i), (1, 2), allow_negative_indices=False), (x, n)),
    "dynamic update slice": (lambda a, i: lax.dynamic_update_slice(a, lax.full((1, 2), 1.0, np.float32), (i, i), allow_negative_indices=False), (x, n)),
    "reductions": (lambda a: (lax.reduce_sum(a, axes=(0,)), lax.reduce_max(a, axes=(1,)), lax.reduce_min(a, axes=(0, 1)), lax.reduce_prod(a, axes=(1,))), (x,)),
    "logical reductions": (lambda a: (lax.reduce_and(lax.gt(a, 0.0), axes=(0,)), lax.reduce_or(lax.gt(a, 0.0), axes=(1,))), (x,)),
    "vmap reduce sum": (jax.vmap(lambda a: lax.reduce_sum(a, axes=(0,))), (x,)),
    "grad reduce max": (jax.grad(lambda a: lax.reduce_max(a, axes=(0,))), (v,)),
    "argmax": (lambda a: lax.argmax(a, 1, np.int32), (x,)),
    "cumsum": (lambda a: lax.cumsum(a, axis=1), (x,)),
    "grad cumsum": (jax.grad(lambda a: total(lax.sin(lax.cumsum(a, axis=0)))), (v,)),
    "sort": (lambda a: lax.sort(a, dimension=1), (x,)),
    "dot": (lambda a, b: lax.dot_general(a, b, dims), (x, w)),
    "batched dot": (lambda a, b: lax.dot_general(a, b, batch), (f32(2, 3, 4), f32(2, 4, 5))),
    "grad dot": (jax.grad(lambda a, b: total(lax.dot_general(a, b, dims)), argnums=(0, 1)), (x, w)),
    "grad batched dot": (jax.grad(lambda a, b: total(lax.dot_general(a, b, batch)), argnums=(0, 1)), (f32(2, 3, 4), f32(2, 4, 5))),
    "vmap dot": (jax.vmap(lambda a, b: lax.dot_general(a, b, dims), in_axes=(0, None)), (f32(2, 3, 4), w)),
    "vmap both of dot": (jax.vmap(lambda a, b: lax.dot_general(a, b, dims)), (f32(2, 3, 4), f32(2, 4, 5))),
    "integers": (lambda i: (lax.rem(i, 3), lax.shift_left(i, 2), lax.bitwise_and(i, 7), lax.bitwise_or(i, 8), lax.bitwise_xor(i, 5), lax.bitwise_not(i), lax.population_count(i), lax.clz(i)), (n,)),
    "jit": (lambda a: inner(lax.cos(a)), (x,)),
    "grad jit": (jax.grad(lambda a: total(inner(a))), (v,)),
    "vmap jit": (jax.vmap(inner), (x,)),
    "cond": (lambda a, i: lax.cond(lax.gt(i, 0), lax.sin, lambda b: b, a), (x, n)),
    "switch": (lambda a, i: lax.switch(i, [lax.sin, lax.cos, lambda b: b], a), (x, n)),
    "vmap cond": (jax.vmap(lambda a, i: lax.cond(lax.gt(i, 0), lax.sin, lax.cos, a), in_axes=(0, None)), (v, n)),
    "jvp cond": (lambda a, t: jax.jvp(lambda b: lax.cond(lax.gt(b, 0.0), lax.sin, lax.cos, b), (a,), (t,)), (s, s)),
    "while": (lambda i: lax.while_loop(lambda c: lax.lt(c, 10), lambda c: lax.add(c, 2), i), (n,)),
    "fori": (lambda a: lax.fori_loop(0, 5, lambda i, c: lax.mul(c, 2.0), a), (x,)),
    "scan": (lambda a: lax.scan(lambda c, b: (lax.add(c, b), lax.mul(c, b)), np.float32(0), a), (v,)),
    "scan backwards": (lambda a: lax.scan(lambda c, b: (lax.add(c, b), None), np.float32(0), a, reverse=True), (v,)),
    "vmap scan": (jax.vmap(lambda a: lax.scan(lambda c, b: (lax.add(c, b), c), np.float32(0), a)), (x,)),
    "jvp scan": (lambda a, t: jax.jvp(lambda b: lax.scan(lambda c, d: (lax.mul(c, d), c), np.float32(1), b), (a,), (t,)), (v, v)),
    "custom jvp": (double, (x,)),
    "jvp custom jvp": (lambda a, t: jax.jvp(double, (a,), (t,)), (x, x)),
    "grad custom jvp": (jax.grad(double), (s,)),
    "second derivative": (jax.grad(jax.grad(lambda a: lax.mul(a, lax.sin(a)))), (s,)),
    "vmap of grad": (jax.vmap(jax.grad(lambda a: lax.mul(a, lax.sin(a)))), (v,)),
    "grad of a tree": (jax.grad(lambda p, a: total(mlp(p, a))), ({"v": f32(5, 2), "w": w}, x)),
    "jacfwd": (jax.jacfwd(lambda a: lax.mul(a, lax.sin(a))), (s,)),
}

here = pathlib.Path(__file__).parent
texts = ["sin", "grad tanh", "jvp mul", "vmap add", "two results", "compare", "select", "clamp", "integer pow", "convert", "bitcast", "iota", "full",
         "broadcast", "grad broadcast", "reshape", "transpose", "rev", "concatenate", "grad concatenate", "slice", "grad slice", "pad",
         "dynamic slice", "dynamic update slice", "reductions", "dot", "batched dot", "grad dot", "vmap dot", "integers", "jit", "vmap jit",
         "cond", "switch", "while", "fori", "scan", "second derivative", "grad of a tree"]


def named(f):
    g = lambda *args: f(*args)
    g.__name__ = "f"
    return g


record = {
    # Some parameters are numpy's integers in JAX and print as such.
    "jaxprs": {name: re.sub(r"np\.int64\((-?\d+)\)", r"\1", str(jax.make_jaxpr(f)(*args))) for name, (f, args) in programs.items()},
    "texts": {name: jax.jit(named(programs[name][0]), keep_unused=True).lower(*programs[name][1]).as_text() for name in texts},
}

types = ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "bfloat16", "float32", "complex64"]
weak = {"int*": 1, "float*": 1.0, "complex*": 1j}
leaf = lambda name: weak[name] if name in weak else jnp.zeros((), name)
record["promotions"] = [
    [a, b, str(r.dtype), bool(r.weak_type)]
    for a, b in itertools.product(types + list(weak), repeat=2)
    for r in [jnp.asarray(jnp.multiply(leaf(a), leaf(b)))]
]

bits = lambda a: np.asarray(a).reshape(-1).view(np.uint32).tolist()
key = jax.random.key(42)
data = jax.random.key_data
record["random"] = {
    "key": bits(data(key)),
    "key of 2^31 + 5": bits(data(jax.random.key(2**31 + 5))),
    "key of -1": bits(data(jax.random.key(-1))),
    "split": bits(data(jax.random.split(key, 5))),
    "fold in": bits(data(jax.random.fold_in(key, 7))),
    "bits": bits(jax.random.bits(key, (7,), "uint32")),
    "bits of a matrix": bits(jax.random.bits(key, (3, 4), "uint32")),
    "uniform": bits(jax.random.uniform(key, (9,))),
    "randint": bits(jax.random.randint(key, (9,), 0, 1000)),
    "randint of 7": bits(jax.random.randint(key, (9,), -3, 4)),
    "bernoulli": bits(jax.random.bernoulli(key, 0.3, (16,)).astype(np.int32)),
    "permutation": bits(jax.random.permutation(key, 20)),
    "categorical": bits(jax.random.categorical(key, jnp.log(jnp.array([0.1, 0.2, 0.7])), shape=(12,))),
    "choice": bits(jax.random.choice(key, 10, (6,), replace=False)),
}
# Not bit for bit: the last bits depend on the engine's logarithm, and on whether it contracts a multiplication and an addition.
record["samples"] = {
    "uniform in a range": np.asarray(jax.random.uniform(key, (9,), minval=-2.0, maxval=3.0)).tolist(),
    "normal": np.asarray(jax.random.normal(key, (9,))).tolist(),
    "exponential": np.asarray(jax.random.exponential(key, (9,))).tolist(),
    "gumbel": np.asarray(jax.random.gumbel(key, (9,))).tolist(),
    "truncated normal": np.asarray(jax.random.truncated_normal(key, -1.0, 2.0, (9,))).tolist(),
    "laplace": np.asarray(jax.random.laplace(key, (9,))).tolist(),
    "cauchy": np.asarray(jax.random.cauchy(key, (9,))).tolist(),
}
(here / "jax.json").write_text(json.dumps(record, indent=1) + "\n")
print({name: len(part) for name, part in record.items()})
