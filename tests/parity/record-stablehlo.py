"""Records what JAX lowers and computes: StableHLO text, inputs and results of small programs, for `stablehlo.test.ts`.

usage: pip install jax==0.10.2 && python3 tests/parity/record-stablehlo.py
Writes stablehlo/NAME.mlir and stablehlo/NAME.json beside this file.
"""
import json
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

x = (np.sin(np.arange(24) * 1.7) * 2).astype(np.float32).reshape(4, 6)
k = np.array([1, 2], np.uint32)
rows = np.array([1, 2, 2], np.int32)
whole = np.array([7, -7, 0, 2**31 - 1, -(2**31), 100], np.int32)
other = np.array([2, 2, 5, 0, -1, -9], np.int32)


def control(a):
    def body(c):
        i, b = c
        return i + 1, lax.fori_loop(0, 3, lambda j, d: d * 0.5 + j, b)

    i, b = lax.while_loop(lambda c: c[0] < 4, body, (0, a))
    branch = lax.cond(a[0, 0] > 0, lambda y: y * 2.0, lambda y: jnp.sin(y) + 3.0, a)
    return i, b, branch, lax.switch(i - 2, [jnp.cos, jnp.tanh, jnp.exp], a)


def loops(a):
    return lax.scan(lambda c, r: (c + r, c * r), a[0], a)


programs = {
    "elementwise": (lambda a: (jnp.exp(-a * a), jnp.tanh(a) + jnp.cbrt(a), jnp.log1p(jnp.abs(a)), jnp.expm1(a), lax.erf(a), lax.rsqrt(jnp.abs(a)), jnp.where(a > 0, a, -0.5), jnp.round(a), jnp.sign(a), jnp.floor(a)), (x,)),
    "softmax": (lambda a: jax.nn.softmax(a, axis=-1), (x,)),
    "dot": (lambda a: (jnp.einsum("ij,kj->ik", a, a), lax.batch_matmul(a.reshape(2, 2, 6), a.reshape(2, 6, 2)), jnp.outer(a[0], a[1])), (x,)),
    "reductions": (lambda a: (a.sum(0), jnp.max(a), jnp.min(a, 1), jnp.prod(a), jnp.all(a > 0), jnp.any(a > 0, 0), jnp.argmax(a, 1), jnp.argmin(a), jnp.cumsum(a, 1)), (x,)),
    "indexing": (lambda a, i: (a[i], a[1:4:2, ::-1], a.at[1:3, 2].add(3.0).at[0].set(0), a.at[i].max(0.5)), (x, rows)),
    "take_gradient": (jax.grad(lambda a, i: (a[i] ** 2).sum()), (x, rows)),
    "slices": (lambda a: (lax.pad(a, 0.0, ((1, 2, 1), (0, -1, 0))), jnp.concatenate([a, a], 1), lax.dynamic_slice(a, (3, 2), (2, 2)), lax.dynamic_update_slice(a, a[:2, :2] * 2, (1, 1)), jnp.transpose(a), jnp.roll(a, 2, 1)), (x,)),
    "sorting": (lambda a: (jnp.sort(a, 1), jnp.argsort(a, 0), lax.sort([a, a * 2], num_keys=1)[1]), (x,)),
    "windows": (lambda a: (lax.reduce_window(a, -jnp.inf, lax.max, (2, 2), (1, 2), "SAME"), jax.grad(lambda b: lax.reduce_window(b, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID").sum())(a)), (x,)),
    "control": (control, (x,)),
    "loops": (loops, (x,)),
    "random": (lambda key: (jax.random.bits(key, (3, 5)), jax.random.uniform(key, (7,)), jax.random.randint(key, (4,), 0, 9), jax.random.normal(key, (4,))), (k,)),
    "integers": (lambda a, b: (lax.div(a, b), lax.rem(a, b), a // b, a % b, lax.shift_right_arithmetic(a, b & 31), lax.shift_right_logical(a, b & 31), lax.shift_left(a, b), lax.population_count(a), lax.clz(a), a * b, a ^ b), (whole, other)),
    "dtypes": (lambda a: (a.astype(jnp.bfloat16) * 1.1, a.astype(jnp.float16) / 3, a.astype(jnp.int8), a.astype(bool), jnp.uint8(200) + a.astype(jnp.uint8), lax.bitcast_convert_type(a, jnp.uint8), lax.bitcast_convert_type(a, jnp.int32), lax.reduce_precision(a, 5, 10), jnp.nextafter(a, 2.0)), (x,)),
    "complex": (lambda a: (a * (1 + 2j), jnp.abs(a * (1 + 2j)), jnp.exp(1j * a), jnp.conj(a + 1j) / (a - 2j)), (x,)),
    "constants": (lambda a: a + np.linspace(0, 1, 6).astype(np.float32) * np.float32(1e-7) + np.array([1e10, 1e20, 3e38, 2**24, 1 / 3, 123456.7], np.float32), (x,)),
    "large_constant": (lambda a: a[0, 0] + np.sin(np.arange(120)).astype(np.float32), (x,)),
}


def stored(a):
    a = np.asarray(a)
    return {"dtype": str(a.dtype), "shape": list(a.shape), "bytes": a.tobytes().hex()}


folder = pathlib.Path(__file__).parent / "stablehlo"
folder.mkdir(exist_ok=True)
for name, (f, args) in programs.items():
    jitted = jax.jit(f)
    (folder / f"{name}.mlir").write_text(jitted.lower(*args).as_text())
    results = jax.tree.leaves(jitted(*args))
    data = {"inputs": [stored(a) for a in args], "outputs": [stored(a) for a in results]}
    (folder / f"{name}.json").write_text(json.dumps(data) + "\n")
    print(name)
(folder / "donation.mlir").write_text(jax.jit(lambda a, b: (a + 1, b * 2), donate_argnums=0).lower(x, x).as_text())
(folder / "locations.mlir").write_text(jax.jit(programs["softmax"][0]).lower(x).as_text(debug_info=True).replace(str(pathlib.Path(__file__).parent.parent.parent), "/src"))
