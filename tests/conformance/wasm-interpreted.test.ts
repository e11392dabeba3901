// Fusion, schedules and the runtime of the wasm device, with kernels run by the interpreter of kernels.
import { InterpretedDevice } from './interpreted-device.ts';
import { conformance } from './suite.ts';

conformance(new InterpretedDevice(), {
  rtol: 2e-6,
});
