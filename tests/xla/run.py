"""Runs StableHLO programs that `dump.ts` wrote through XLA (jaxlib, CPU) and compares the results with ours.

usage: python3 run.py FOLDER
Exit status 1 when a program does not parse, does not run, or differs.
"""
import json
import os
import pathlib
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"
import jax  # noqa: E402
import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
from jaxlib import _jax  # noqa: E402

DTYPES = {
    "bool": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
    "f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32, "f64": np.float64,
    "complex64": np.complex64, "complex128": np.complex128,
}


def load(folder, stored):
    """An array from its file; complex numbers are stored as pairs."""
    data = np.fromfile(folder / stored["file"], dtype=stored["storage"])
    dtype = DTYPES[stored["dtype"]]
    if stored["dtype"].startswith("complex"):
        return data.view(dtype).reshape(stored["shape"])
    return data.astype(dtype).reshape(stored["shape"])


def run(text, inputs):
    """Compile the text as it is and run it."""
    device = jax.devices()[0]
    program = device.client.compile_and_load(text, _jax.DeviceList((device,)), _jax.CompileOptions())
    buffers = [jax.device_put(x, device) for x in inputs]
    results = program.execute_sharded(buffers).disassemble_into_single_device_arrays()
    return [np.asarray(r[0]) for r in results]


def difference(ours, theirs, tolerance):
    """None when equal within the tolerance, else what differs; and the largest difference."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"type {ours.dtype}{ours.shape} for XLA's {theirs.dtype}{theirs.shape}", 0.0
    if not np.issubdtype(ours.dtype, np.inexact) and ours.dtype != ml_dtypes.bfloat16:
        wrong = int((ours != theirs).sum())
        return (f"{wrong} of {ours.size} elements" if wrong else None), 0.0
    a, b = ours.astype(np.complex128), theirs.astype(np.complex128)
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        error = np.where(same, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(b)))
    worst = float(np.max(error, initial=0.0)) if np.isfinite(error).all() else float("inf")
    return (f"by {worst:.3g}" if not worst <= tolerance else None), worst


def main(folder):
    failed = 0
    descriptions = sorted(folder.glob("*.json"))
    for path in descriptions:
        program = json.loads(path.read_text())
        name = program["name"]
        start = time.time()
        try:
            inputs = [load(folder, x) for x in program["inputs"]]
            ours = [load(folder, x) for x in program["outputs"]]
            theirs = run((folder / f"{name}.mlir").read_text(), inputs)
            if len(ours) != len(theirs):
                raise ValueError(f"{len(ours)} results for XLA's {len(theirs)}")
            verdicts = [difference(a, b, program["tolerance"]) for a, b in zip(ours, theirs)]
            wrong = [f"result {i} differs {text}" for i, (text, _) in enumerate(verdicts) if text]
            worst = max((error for _, error in verdicts), default=0.0)
            status = "; ".join(wrong) if wrong else f"ok, largest difference {worst:.2g}"
        except Exception as error:  # a refused program is a result, too
            wrong, status = [str(error)], f"refused: {str(error)[:600]}"
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name} ({time.time() - start:.2f} s): {status}", flush=True)
    print(f"{len(descriptions) - failed} of {len(descriptions)} programs agree with XLA {jax.__version__}")
    return 1 if failed or not descriptions else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1])))
