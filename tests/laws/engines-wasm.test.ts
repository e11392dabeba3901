// The wasm device computes what the interpreter computes.
import { afterAll, describe } from 'vitest';
import { WasmDevice } from '../../backends/wasm/device.ts';
import { engineLaws } from './engines.ts';

const device = new WasmDevice({ threads: 1 });

// Transcendental functions are within 4 ulp and multiply-adds may be contracted; results of a few steps differ by a few more.
describe('wasm = interpreter', () => engineLaws(() => device, { rtol: 4e-6, atol: 1e-6 }));

afterAll(() => device.synchronize());
