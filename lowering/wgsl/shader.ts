/** The whole text of a shader around the body that `emit.ts` writes: bindings, workgroup memory, helpers and the entry point. */
import { LoweringError } from '../../core/errors.ts';
import { dtypeInfo, type DType } from '../../core/dtype.ts';
import type { Kernel } from '../tile/ir.ts';
import type { WgslFeatures } from './features.ts';
import { registerOf, typeName } from './format.ts';
import type { Program } from './program.ts';

/** A kernel as WGSL. */
export interface WgslKernel {
  readonly code: string;
  readonly entryPoint: string;
  /** Storage buffers of bind group 0, in order of their bindings. */
  readonly bindings: readonly {
    readonly operand: number | 'scratch';
    readonly access: 'read' | 'read_write';
  }[];
  /** Workgroups to dispatch; a zero says that there is nothing to do. */
  readonly workgroups: readonly [number, number, number];
  /** Bytes of the scratch buffer. */
  readonly scratchBytes: number;
}

/** The name of an operand in the shader. */
export const bindingName = (name: string, index: number): string =>
  `buf${index}_${name.replace(/\W/g, '_')}`;

function elementType(p: Program, name: string, dtype: DType): string {
  if (p.before.isAtomic(name))
    return registerOf(dtype) === 'i32' && dtype === 'i32' ? 'atomic<i32>' : 'atomic<u32>';
  if (dtypeInfo[dtype].bits < 32) return 'u32';
  return typeName(registerOf(dtype), p.before.lanes(name));
}

/** Fold a number of programs into the three dimensions of a dispatch. */
export function dispatchSize(programs: number, most: number): [number, number, number] {
  if (programs === 0) return [0, 0, 0];
  const x = Math.min(programs, most);
  const y = Math.min(Math.ceil(programs / x), most);
  const z = Math.ceil(programs / (x * y));
  if (z > most)
    throw new LoweringError(`webgpu: a grid may have at most ${most}³ programs; got ${programs}.`);
  return [x, y, z];
}

/** Put a shader together. */
export function assemble(kernel: Kernel, p: Program, features: WgslFeatures): WgslKernel {
  const { tx, ty } = p.threads;
  const parallel = kernel.grid.flatMap((g, i) =>
    g.semantics === 'parallel' ? [{ axis: i, extent: g.extent }] : [],
  );
  const programs = kernel.grid.some((g) => g.extent === 0)
    ? 0
    : parallel.reduce((n, g) => n * g.extent, 1);
  const workgroups = dispatchSize(programs, features.maxWorkgroupsPerDimension);
  const words = p.space.scratchWords;
  const bindings: WgslKernel['bindings'][number][] = kernel.operands.map((o, i) => ({
    operand: i,
    access: o.access === 'read' ? 'read' : 'read_write',
  }));
  const declarations = kernel.operands.map((o, i) => {
    const name = bindingName(o.name, i);
    const access = p.before.isAtomic(name) ? 'read_write' : bindings[i].access;
    return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${elementType(p, name, o.dtype)}>;`;
  });
  if (words > 0) {
    declarations.push(
      `@group(0) @binding(${bindings.length}) var<storage, read_write> scratch: array<u32>;`,
    );
    bindings.push({ operand: 'scratch', access: 'read_write' });
  }
  if (bindings.length > features.maxBindings)
    throw new LoweringError(
      `${kernel.name}: this device binds at most ${features.maxBindings} buffers to a kernel; got ${bindings.length}. Pass fewer operands, or pack some of them into one.`,
    );
  const lines: string[] = ['  let lid = i32(local);'];
  if (tx > 1) lines.push(ty > 1 ? `  let tx = lid & ${tx - 1};` : '  let tx = lid;');
  if (ty > 1) lines.push(tx > 1 ? `  let ty = lid >> ${Math.log2(tx)}u;` : '  let ty = lid;');
  const [x, y, z] = workgroups;
  const folded =
    z > 1
      ? `workgroup.x + (workgroup.y + workgroup.z * ${y}u) * ${x}u`
      : y > 1
        ? `workgroup.x + workgroup.y * ${x}u`
        : 'workgroup.x';
  lines.push(`  let program = i32(${folded});`);
  if (x * y * z > programs) lines.push(`  if (program >= ${programs}) { return; }`);
  let below = 1;
  const ids: string[] = [];
  for (const { axis, extent } of parallel.toReversed()) {
    const divided = below === 1 ? 'program' : `program / ${below}`;
    const isOuter = below * extent === programs;
    ids.unshift(
      `  let pid${axis} = ${isOuter ? divided : below === 1 ? `program % ${extent}` : `(${divided}) % ${extent}`};`,
    );
    below *= Math.max(1, extent);
  }
  lines.push(...ids);
  const [array] = kernel.operands.map((o, i) => bindingName(o.name, i));
  const many = array === undefined ? '0x40000000' : `i32(arrayLength(&${array}) | 0x40000000u)`;
  if (/\bmany\b/.test(p.text.body)) lines.push(`  let many = ${many};`);
  if (words > 0) lines.push(`  let scratch_base = program * ${words};`);
  const body = p.text.body;
  const usesSubgroups = body.includes('subgroup');
  const code = [
    ...(usesSubgroups ? ['enable subgroups;'] : []),
    // Without the kernel's name: equal kernels share a pipeline.
    `// ${programs} programs of ${ty} x ${tx} invocations`,
    ...declarations,
    p.space.text,
    p.prelude.text,
    `@compute @workgroup_size(${tx * ty})`,
    'fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {',
    ...lines,
    body,
    '}',
  ]
    .filter((line) => line !== '')
    .join('\n');
  return { code, entryPoint: 'main', bindings, workgroups, scratchBytes: words * 4 * programs };
}
