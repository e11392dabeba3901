"""Runs the partitioned programs that `dump-spmd.ts` wrote on eight host devices of XLA (jaxlib, CPU), compares the results with those
that JAX gave for the same programs, and says which collectives XLA's partitioner made.

usage: python3 run-spmd.py FOLDER
Exit status 1 when a program does not parse, does not run, or differs.
"""
import collections
import json
import os
import pathlib
import re
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import jax  # noqa: E402
import numpy as np  # noqa: E402
from jax._src import sharding_impls  # noqa: E402
from jaxlib import _jax  # noqa: E402

devices = jax.devices()
collectives = re.compile(r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|partition-id)(?:-start)?\(")


def compile_for_all(text):
    """Compile for as many partitions as the text says, on the first devices."""
    count = int(re.search(r"mhlo.num_partitions = (\d+)", text).group(1))
    options = _jax.CompileOptions()
    options.num_partitions = count
    build = options.executable_build_options
    build.num_partitions = count
    build.use_spmd_partitioning = True
    build.device_assignment = _jax.DeviceAssignment.create(np.arange(count).reshape(1, count))
    used = devices[:count]
    return used, devices[0].client.compile_and_load(text, _jax.DeviceList(tuple(used)), options)


def layouts(shardings, used):
    """Where XLA wants arguments, or has results."""
    return [sharding_impls.GSPMDSharding(used, sharding) for sharding in shardings or []]


def run(text, args, shapes):
    """Results, and how many collectives of each kind there are."""
    used, program = compile_for_all(text)
    if "%arg0: tensor" not in text:
        args = []  # arguments that no result needs are no parameters
    given = layouts(program.get_parameter_shardings(), used)
    out = program.execute_sharded([jax.device_put(x, at) for x, at in zip(args, given, strict=True)])
    parts = out.disassemble_into_single_device_arrays()
    placed = layouts(program.get_output_shardings(), used)
    whole = [
        np.asarray(jax.make_array_from_single_device_arrays(shape, at, part))
        for shape, at, part in zip(shapes, placed, parts, strict=True)
    ]
    return whole, collections.Counter(collectives.findall(program.hlo_modules()[0].to_string()))


def array(leaf):
    return np.array(leaf["values"], leaf["dtype"]).reshape(leaf["shape"])


def difference(ours, want):
    if ours.shape != want.shape or ours.dtype != want.dtype:
        return f"type {ours.dtype}{ours.shape} for {want.dtype}{want.shape}"
    scale = max(1.0, float(np.max(np.abs(want), initial=0)))
    worst = float(np.max(np.abs(ours - want), initial=0)) / scale
    return None if worst <= 4e-6 else f"differs by {worst:.3g}"


def main(folder):
    failed, total = 0, collections.Counter()
    paths = sorted(folder.glob("*.json"), key=lambda p: int(p.stem))
    for path in paths:
        program = json.loads(path.read_text())
        try:
            results, made = run(path.with_suffix(".mlir").read_text(), [array(x) for x in program["args"]], [tuple(x["shape"]) for x in program["result"]])
            wrong = [text for a, b in zip(results, program["result"], strict=True) if (text := difference(a, array(b)))]
            status = "; ".join(wrong) or ", ".join(f"{n} {kind}" for kind, n in sorted(made.items())) or "no collective"
            total += made
        except Exception as error:  # a refused program is a result, too
            wrong, status = [str(error)], f"refused: {str(error)[:600]}"
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {program['name']}: {status}", flush=True)
    print(f"{len(paths) - failed} of {len(paths)} programs agree with JAX {jax.__version__}; {dict(total)}")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1])))
