/** The pipeline on one screen: StableHLO in, a schedule of tile kernels out. No device and no target text here. */
import type { HloModule, Region } from './hlo/ir.ts';
import type { Schedule, Step, Target } from './fuse/ir.ts';
import { prepare } from './fuse/prepare.ts';
import { writeSchedule } from './fuse/schedule.ts';
import type { Kernel } from './tile/ir.ts';
import { simplifyKernel } from './tile/simplify.ts';
import { verifyKernel } from './tile/verify.ts';

/** What a pass gets told. */
interface Context {
  readonly name: string;
  readonly target: Target;
}

/** Called after every pass with its name, its time in milliseconds and what it made. */
export type CompileLog = (pass: string, timeMs: number, result: Region | Schedule) => void;

/** Apply a pass to every kernel of a schedule, loops and branches included. */
function mapKernels(schedule: Schedule, pass: (kernel: Kernel) => Kernel): Schedule {
  const map = (steps: readonly Step[]): Step[] =>
    steps.map((step) => {
      switch (step.kind) {
        case 'kernel':
          return { ...step, kernel: pass(step.kernel) };
        case 'copy':
        case 'host':
          return step;
        case 'while':
          return { ...step, cond: map(step.cond), body: map(step.body) };
        case 'case':
          return { ...step, branches: step.branches.map(map) };
      }
    });
  return { ...schedule, steps: map(schedule.steps) };
}

function verifySchedule(schedule: Schedule): Schedule {
  return mapKernels(schedule, (kernel) => {
    verifyKernel(kernel);
    return kernel;
  });
}

const passes: readonly (readonly [string, (schedule: Schedule) => Schedule])[] = [
  ['verify', verifySchedule],
  ['simplify', (schedule) => mapKernels(schedule, simplifyKernel)],
  ['verify', verifySchedule],
];

/**
 * Compile a module to a schedule for a target.
 *
 * @throws LoweringError naming the op that compiled devices do not have.
 */
export function compileModule(module: HloModule, target: Target, log?: CompileLog): Schedule {
  const context: Context = { name: module.name, target };
  const timed = <T extends Region | Schedule>(pass: string, run: () => T): T => {
    if (log === undefined) return run();
    const start = performance.now();
    const result = run();
    log(pass, performance.now() - start, result);
    return result;
  };
  const region = timed('prepare', () => prepare(module));
  const schedule = timed('schedule', () => writeSchedule(context.name, region, target));
  return passes.reduce((before, [name, run]) => timed(name, () => run(before)), schedule);
}
