/** Kernel calls in the checking interpreter. */
import { NDArray } from '../core/array.ts';
import { ArgumentError } from '../core/errors.ts';
import { interpretKernel } from '../lowering/tile/interpret.ts';
import { kernelOf } from './lower.ts';
import type { PallasParams } from './params.ts';

/** How the checking interpreter runs kernels. */
export interface InterpretMode {
  /** Run the programs along parallel axes in an order that depends on this number; row-major when left out. */
  readonly seed?: number;
}

/** Run a call in the checking interpreter, on host memory. */
export function interpretCall(
  params: PallasParams,
  args: readonly NDArray[],
  { seed }: InterpretMode,
): NDArray[] {
  const kernel = kernelOf(params);
  const device = args[0]?.device;
  const bytes = (x: NDArray): Uint8Array => {
    const buffer = x.bufferOn(x.device);
    const read = buffer.device.readSync?.(buffer);
    if (read === undefined)
      throw new ArgumentError(
        `pallasCall: interpret: true needs arrays on a host device; got one on ${buffer.device.kind}. Use the wasm device.`,
      );
    return read;
  };
  const outs = params.outputs.map(({ array }, i) => {
    const alias = params.aliases.find(([, output]) => output === i);
    return alias === undefined ? new Uint8Array(array.byteLength) : bytes(args[alias[0]]);
  });
  interpretKernel(kernel, [...args.map(bytes), ...outs], {
    checked: true,
    ...(seed === undefined ? {} : { seed }),
  });
  return params.outputs.map(({ array }, i) =>
    NDArray.fromBuffer(array, (device ?? NDArray.fromScalar(0, 'f32').device).upload(outs[i])),
  );
}
