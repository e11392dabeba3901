/** Collects garbage in the middle of a task, for `config.checkTracerLeaks`: what Node can be asked for. */
import type * as nodeV8 from 'node:v8';
import type * as nodeVm from 'node:vm';
import { nodeModule } from '../../backends/wasm/features.ts';

/** A function that collects all garbage now; undefined outside of Node. */
export function makeCollector(): ((attempt: number) => void) | undefined {
  const v8 = nodeModule('node:v8') as typeof nodeV8 | undefined;
  const vm = nodeModule('node:vm') as typeof nodeVm | undefined;
  if (v8 === undefined || vm === undefined) return undefined;
  v8.setFlagsFromString('--expose-gc');
  const gc: unknown = vm.runInNewContext('typeof gc === "function" ? gc : undefined');
  if (typeof gc !== 'function') return undefined;
  // What weak references saw lives until the task ends, or until some queue of microtasks has been worked off: this one is empty.
  const context = vm.createContext({}, { microtaskMode: 'afterEvaluate' });
  const nothing = new vm.Script('0');
  const never = new Int32Array(new SharedArrayBuffer(4));
  return (attempt) => {
    if (attempt > 0) Atomics.wait(never, 0, 0, 10 * attempt);
    nothing.runInContext(context);
    gc();
  };
}
