// The wasm device against the interpreter.
import { createWasmDevice } from '../../backends/wasm/device.ts';
import { conformance } from './suite.ts';

conformance(createWasmDevice({ threads: 2 }), {
  // Transcendental functions may differ by 4 units in the last place.
  rtol: 1e-6,
});
