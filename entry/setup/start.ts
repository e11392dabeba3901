/**
 * What importing any entry point does, once: the trace that computes on arrays, the printer, the array methods, the devices that
 * need no waiting. The only module with side effects; devices are made when they are first wanted.
 */
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import { deviceKinds, offerDevice } from '../../core/backend.ts';
import { setJaxprPrinter } from '../../core/jaxpr.ts';
import { printJaxpr } from '../../core/jaxpr-print.ts';
import { setCollector } from '../../core/leaks.ts';
import { setBaseTrace } from '../../core/trace.ts';
import { installMethods } from '../../numpy/methods.ts';
import { EvalTrace } from '../../transforms/eval.ts';
import { makeCollector } from './collector.ts';
import { makeWasmDevice } from './devices.ts';

// Keeps the declaration of the methods within reach of everybody who imports an entry point.
export type { ArrayMethods } from '../../numpy/methods.ts';

function start(): void {
  setBaseTrace(new EvalTrace());
  setJaxprPrinter(printJaxpr);
  installMethods();
  setCollector(makeCollector);
  const known = deviceKinds();
  if (typeof WebAssembly === 'object' && !known.includes('wasm'))
    offerDevice('wasm', makeWasmDevice);
  if (!known.includes('interpreter')) offerDevice('interpreter', () => new InterpreterDevice());
}

start();
