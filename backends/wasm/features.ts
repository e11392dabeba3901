/** What the engine that runs us can do: relaxed SIMD, its age (which decides the shape of inner loops), shared memory, cores. */

/** What the emitter wants to know of the engine. */
export type Engine = 'v8' | 'v8-old' | 'jsc' | 'unknown';

/** Parts of Node that other hosts may lack. */
interface NodeProcess {
  readonly versions?: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: string): unknown;
  constrainedMemory?(): number | undefined;
}

interface Globals {
  readonly process?: NodeProcess;
  readonly Deno?: { readonly version: { readonly v8: string } };
  readonly navigator?: {
    readonly userAgent?: string;
    readonly hardwareConcurrency?: number;
    readonly deviceMemory?: number;
  };
  readonly crossOriginIsolated?: boolean;
  readonly SharedArrayBuffer?: unknown;
  readonly document?: unknown;
}

const globals = globalThis as unknown as Globals;

/** Load a module of Node where there is one; nothing here is seen by bundlers. */
export const nodeModule = (name: string): unknown =>
  globals.document === undefined ? globals.process?.getBuiltinModule?.(name) : undefined;

/** A function that applies `f32x4.relaxed_madd` to three splats, for the validator. */
// prettier-ignore
const relaxedProbe = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // header
  1, 5, 1, 0x60, 0, 1, 0x7b, // type () → v128
  3, 2, 1, 0, // one function
  10, 19, 1, 17, 0, 0x41, 0, 0xfd, 17, 0x41, 0, 0xfd, 17, 0x41, 0, 0xfd, 17, 0xfd, 0x85, 2, 0x0b,
]);

/** Whether the engine has relaxed SIMD, and with it fused multiply and add. */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(relaxedProbe);

const majorOf = (version: string | undefined): number => Number.parseInt(version ?? '', 10);

/** V8 before 13 orders instructions differently from what the emitter writes. */
const v8Of = (major: number): Engine => (major >= 13 ? 'v8' : 'v8-old');

/** Which engine this is. A browser says so in its user agent only. */
export function detectEngine(): Engine {
  const { process, Deno, navigator } = globals;
  if (process?.versions?.['bun'] !== undefined) return 'jsc';
  if (Deno !== undefined) return v8Of(majorOf(Deno.version.v8));
  const v8 = process?.versions?.['v8'];
  if (v8 !== undefined) return v8Of(majorOf(v8));
  const agent = navigator?.userAgent ?? '';
  // Chrome's major version is V8's, times ten: Chrome 130 carries V8 13.0.
  const chrome = /Chrome\/(\d+)/.exec(agent);
  if (chrome !== null) return v8Of(Number(chrome[1]) / 10);
  return /AppleWebKit\//.test(agent) ? 'jsc' : 'unknown';
}

/** Whether a memory can be shared with workers: always in servers, in pages when they are cross-origin isolated. */
export function canShareMemory(): boolean {
  if (globals.SharedArrayBuffer === undefined || globals.crossOriginIsolated === false)
    return false;
  try {
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return buffer instanceof SharedArrayBuffer;
  } catch {
    return false;
  }
}

interface NodeSystem {
  availableParallelism?(): number;
  totalmem(): number;
}

const system = nodeModule('node:os') as NodeSystem | undefined;

/** Bytes of the machine's memory, where the host tells. */
export function machineBytes(): number {
  const { process, navigator } = globals;
  if (system === undefined) return (navigator?.deviceMemory ?? 4) * 2 ** 30;
  // Within a container the limit of the container counts; 0 and huge numbers mean none.
  const limit = process?.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, system.totalmem()) : system.totalmem();
}

/** Cores that this process may use. */
export function coreCount(): number {
  return Math.max(
    1,
    system?.availableParallelism?.() ?? globals.navigator?.hardwareConcurrency ?? 1,
  );
}
