"""Records the StableHLO that JAX lowers small programs to, for `lowering.test.ts`, which writes the same programs with our lax.

usage: pip install jax==0.10.2 && python3 tests/parity/record-lowering.py
"""
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import numpy as np
from jax import lax

x = np.zeros((3, 4), np.float32)
y = np.zeros((4, 5), np.float32)
i = np.zeros((), np.int32)

programs = {
    "sum_of_sines": (lambda a: lax.reduce_sum(lax.sin(a), axes=(0, 1)), (x,)),
    "arithmetic": (lambda a: lax.sub(lax.mul(lax.add(a, 1.5), a), lax.div(a, 3.0)), (x,)),
    "unary": (lambda a: (lax.exp(a), lax.log1p(lax.abs(a)), lax.tanh(a), lax.rsqrt(a), lax.sign(lax.neg(a)), lax.floor(a), lax.erf(a), lax.is_finite(a)), (x,)),
    "select": (lambda a: lax.select(lax.gt(a, lax.full_like(a, 0.0)), a, lax.neg(a)), (x,)),
    "clamp": (lambda a: lax.clamp(0.0, a, 1.0), (x,)),
    "dot": (lambda a, b: lax.dot_general(a, b, (((1,), (0,)), ((), ()))), (x, y)),
    "batched_dot": (lambda a, b: lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,)))), (np.zeros((2, 3, 4), np.float32), np.zeros((2, 4, 5), np.float32))),
    "shapes": (lambda a: (lax.transpose(a, (1, 0)), lax.reshape(a, (2, 6)), lax.broadcast_in_dim(a, (2, 3, 4), (1, 2)), lax.rev(a, (0,)), lax.concatenate([a, a], 0), lax.slice(a, (0, 1), (3, 4), (2, 1)), lax.pad(a, 0.5, ((1, 0, 0), (0, 2, 1)))), (x,)),
    "reductions": (lambda a: (lax.reduce_max(a, axes=(1,)), lax.reduce_min(a, axes=(0,)), lax.reduce_prod(a, axes=(0, 1))), (x,)),
    "dynamic": (lambda a, n: (lax.dynamic_slice(a, (n, n), (1, 2)), lax.dynamic_update_slice(a, lax.full((1, 1), 2.0), (n, n))), (x, i)),
    "conversions": (lambda a: (lax.convert_element_type(a, np.int32), lax.convert_element_type(a, np.float16), lax.bitcast_convert_type(a, np.uint32)), (x,)),
    "iota": (lambda a: lax.add(a, lax.broadcasted_iota(np.float32, (3, 4), 1)), (x,)),
    "gradient": (jax.grad(lambda a: lax.reduce_sum(lax.mul(a, lax.sin(a)), axes=(0, 1))), (x,)),
    "while": (lambda n: lax.while_loop(lambda c: c < 10, lambda c: c + 2, n), (i,)),
    "cond": (lambda a, n: lax.cond(n > 0, lambda b: lax.sin(b), lambda b: b, a), (x, i)),
    "nested_jit": (lambda a: jax.jit(lambda b: lax.sin(b), inline=False)(lax.cos(a)), (x,)),
    "integers": (lambda n: (lax.rem(n, 3), lax.shift_left(n, 2), lax.bitwise_and(n, 7), lax.population_count(n), lax.lt(n, 5)), (i,)),
}

folder = pathlib.Path(__file__).parent / "lowering"
folder.mkdir(exist_ok=True)
for name, (f, args) in programs.items():
    f.__name__ = "f"
    (folder / f"{name}.mlir").write_text(jax.jit(f).lower(*args).as_text())
    print(name)
