"""Records from JAX the programs of each device that functions over meshes become: the text of `shmap_body`, without its result_info.
The programs have twins of the same name in spmd.test.ts.

usage: pip install jax==0.10.2 && python3 tests/parity/record-spmd.py
"""
import json
import os
import pathlib
import re

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import jax
import numpy as np
from jax import jit, lax, shard_map
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

jax.config.update("jax_use_shardy_partitioner", False)
devices = np.array(jax.devices())
line = Mesh(devices, ("i",))
grid = Mesh(devices.reshape(2, 4), ("x", "y"))
both = P(("x", "y"))
x = np.zeros((8, 16), np.float32)


def over(mesh, in_specs, out_specs):
    return lambda f: shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)


programs = {
    "psum": over(grid, P("x", "y"), P("x"))(lambda x: lax.psum(x, "y")),
    "psum of the major axis": over(grid, P("x", "y"), P(None, "y"))(lambda x: lax.psum(x, "x")),
    "pmax of both axes": over(grid, both, P())(lambda x: lax.pmax(x, ("x", "y"))),
    "pmin of both axes, turned": over(grid, both, P())(lambda x: lax.pmin(x, ("y", "x"))),
    "psum of a tree": over(grid, both, (P("x"), P("x")))(lambda x: lax.psum((x, x[0]), "y")),
    "psum in groups": over(line, P("i"), P("i"))(lambda x: lax.psum(x, "i", axis_index_groups=[[0, 3, 5, 6], [1, 2, 4, 7]])),
    "psum in groups of one axis": over(grid, P("x", "y"), P("x", "y"))(lambda x: lax.psum(x, "y", axis_index_groups=[[0, 2], [3, 1]])),
    "all_gather": over(grid, P("x", "y"), P(None, "x", "y"))(lambda x: lax.all_gather(x, "y")),
    "all_gather tiled": over(grid, P("x", "y"), P(None, "y"))(lambda x: lax.all_gather(x, "x", tiled=True)),
    "all_gather of both axes": over(grid, both, P())(lambda x: lax.all_gather(x, ("x", "y"), axis=1, tiled=True)),
    "psum_scatter": over(grid, P("y"), both)(lambda x: lax.psum_scatter(x[:1, :4], "y", scatter_dimension=1)),
    "psum_scatter tiled": over(line, P("i"), P(None, "i"))(lambda x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True)),
    "all_to_all": over(line, P("i"), P(None, "i"))(lambda x: lax.all_to_all(x, "i", 1, 0, tiled=True)),
    "all_to_all of the minor axis": over(grid, P("x", "y"), P("x", "y"))(lambda x: lax.all_to_all(x, "y", 1, 1, tiled=True)),
    "ppermute": over(grid, P("x", "y"), P("x", "y"))(lambda x: lax.ppermute(x, "y", [(0, 1), (3, 0)])),
    "ppermute of the major axis": over(grid, P("x", "y"), P("x", "y"))(lambda x: lax.ppermute(x, "x", [(0, 1), (1, 0)])),
    "axis_index": over(grid, P("x", "y"), P("x", "y"))(lambda x: lax.axis_index("x") + lax.axis_index("y") + x.astype(np.int32)),
}
record = {}
for name, f in programs.items():
    text = jit(f).lower(x).as_text()
    body = text[text.index("  func.func private @shmap_body") :].rstrip().removesuffix("}").rstrip()
    body = re.sub(r" \{jax.result_info = \"[^\"]*\"\}", "", body)
    # Results without attributes have parentheses only where there are several.
    record[name] = re.sub(r"-> \((tensor<[^,]*>)\) \{", r"-> \1 {", body)
(pathlib.Path(__file__).parent / "spmd.json").write_text(json.dumps(record, indent=1) + "\n")
print(len(record))
