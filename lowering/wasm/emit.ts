/**
 * From a tile kernel to a WebAssembly module. The module imports `env.memory` (and host functions `math.*` for f64) and exports
 * `run(begin, end, scratch, p0, p1, …)`: the programs begin ≤ p < end, numbered row-major over the parallel grid axes, on operands at
 * byte addresses p_i, with private scratch memory. Sequential axes are loops inside a program.
 *
 * What the code may assume: operands do not overlap, are aligned to 64 bytes, and have 64 readable bytes behind their ends. What it
 * guarantees: it writes nowhere but inside the operands and the scratch memory, whatever the index maps compute.
 */
import type { Kernel, Operand, TileValue } from '../tile/ir.ts';
import type { WasmFeatures } from './convert.ts';
import { encodeModule } from './encode.ts';
import type { Fn } from './fn.ts';
import { WasmModule } from './fn.ts';
import { arrayFormat } from './format.ts';
import { int, op } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import { Program } from './program.ts';
import { walkRegion } from './regions.ts';
import { printModule } from './text.ts';
import type { Area, Index, Window } from './window.ts';
import { indexSum, knownIndex, readerOf, wholeWindow } from './window.ts';
import { expandMath } from '../math.ts';
import { mathOptions } from './outline.ts';

export type { WasmFeatures } from './convert.ts';

/** A kernel as machine code. */
export interface WasmKernel {
  readonly bytes: Uint8Array;
  /** Independent programs: the product of the parallel grid axes. */
  readonly programs: number;
  /** Private memory of one worker, in bytes. */
  readonly scratchBytes: number;
  /** Estimated nanoseconds of one program. */
  readonly cost: number;
  /** The module as text. */
  readonly text: string;
}

/**
 * Compile a tile kernel to WebAssembly.
 *
 * @throws LoweringError when the kernel holds an op or type that this target has no code for.
 */
export function emitWasm(source: Kernel, features: WasmFeatures): WasmKernel {
  const kernel = expandMath(source, mathOptions(features));
  const module = new WasmModule(features.shared);
  const run = module.fn('run');
  const fn = module.fn('program', [], run);
  const [begin, end] = [run.param('i32', 'begin'), run.param('i32', 'end')];
  const scratch = run.param('i32', 'scratch');
  const pointers = kernel.operands.map((operand) => run.param('i32', operand.name));
  const number = fn.param('i32', 'p');
  const program = new Program(module, features, fn, scratch);
  emitProgram(program, kernel, { number, pointers });
  const counter = run.local('i32', 'p');
  run.for(counter, { from: run.get(begin), to: run.get(end) }, () =>
    run.callOutlined(fn, run.get(counter)),
  );
  module.exports.set('run', run);
  const parallel = kernel.grid.filter((axis) => axis.semantics === 'parallel');
  return {
    bytes: encodeModule(module),
    programs: parallel.reduce((n, axis) => n * axis.extent, 1),
    scratchBytes: program.scratch.byteLength + 64,
    cost: program.cost,
    get text() {
      return printModule(module);
    },
  };
}

function emitProgram(
  program: Program,
  kernel: Kernel,
  params: { number: Local; pointers: readonly Local[] },
): void {
  const { fn } = program;
  const sequential: number[] = [];
  let rest: Node = fn.get(params.number);
  const ids = kernel.grid.map((): Index => knownIndex(0));
  for (let axis = kernel.grid.length - 1; axis >= 0; axis--) {
    const { extent, semantics } = kernel.grid[axis];
    if (semantics === 'sequential') sequential.unshift(axis);
    else if (extent !== 1) {
      const id = fn.keep(op('i32.rem_u', rest, int(extent)), 'id');
      rest = fn.keep(op('i32.div_u', rest, int(extent)), 'q');
      ids[axis] = {
        read: readerOf(id),
        affine: program.symbols.symbol(`p${axis}`, [0, extent - 1]),
      };
    }
  }
  const { body, operands, scratch } = kernel;
  scratch.forEach((memory, i) =>
    program.setWindow(
      body.args[operands.length + i],
      program.allocate(memory.name, memory.dtype, memory.shape),
    ),
  );
  const steps = (position: number): void => {
    if (position === sequential.length)
      return emitStep(program, kernel, { ids, pointers: params.pointers });
    const axis = sequential[position];
    const { extent } = kernel.grid[axis];
    if (extent === 1) return steps(position + 1);
    const counter = fn.local('i32', 'id');
    fn.for(counter, { from: int(0), to: int(extent) }, () => {
      ids[axis] = {
        read: (inner: Fn) => inner.get(counter),
        affine: program.symbols.symbol(`p${axis}`, [0, extent - 1]),
      };
      program.nested(extent, () => steps(position + 1));
    });
    return undefined;
  };
  steps(0);
  program.flush();
}

function emitStep(
  program: Program,
  kernel: Kernel,
  { ids, pointers }: { ids: readonly Index[]; pointers: readonly Local[] },
): void {
  program.grid.length = 0;
  kernel.grid.forEach(({ extent }, axis) => program.grid.push({ id: ids[axis], extent }));
  const whole = kernel.operands.map((operand, i): Window => {
    const area: Area = { name: operand.name, isShared: true };
    return wholeWindow(
      area,
      arrayFormat(operand.dtype),
      (inner) => inner.get(pointers[i]),
      operand.shape,
    );
  });
  const prefetch = whole.filter((_, i) => kernel.operands[i].prefetch === true);
  kernel.operands.forEach((operand, i) =>
    program.setWindow(
      kernel.body.args[i],
      blockWindow(program, operand, whole[i], { ids, prefetch }),
    ),
  );
  walkRegion(program, kernel.body);
}

// The block of an operand: the index map gives block numbers (blocked axes) or elements.
function blockWindow(
  program: Program,
  operand: Operand,
  whole: Window,
  { ids, prefetch }: { ids: readonly Index[]; prefetch: readonly Window[] },
): Window {
  const { indexMap, dims } = operand.block;
  ids.forEach((id, i) => program.setIndex(indexMap.args[i], id));
  prefetch.forEach((window, i) => program.setWindow(indexMap.args[ids.length + i], window));
  walkRegion(program, indexMap);
  const starts = indexMap.results.map((value: TileValue) => program.index(value));
  return {
    ...whole,
    dims: whole.dims.map((dim, i) => {
      const kind = dims[i];
      const factor = kind.kind === 'blocked' ? kind.size : 1;
      return { ...dim, origin: indexSum(program.fn, knownIndex(0), starts[i], factor) };
    }),
    axes: dims.flatMap((dim, i) =>
      dim.kind === 'squeezed' ? [] : [{ dim: i, step: 1, size: dim.size }],
    ),
  };
}
