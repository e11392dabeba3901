/** The options of a training run. */

/** What the command line says. */
export interface Options {
  readonly device: 'wasm' | 'webgpu' | 'interpreter';
  readonly epochs: number;
  readonly seed: number;
  readonly batch: number;
  readonly depth: number;
  readonly train: number;
  readonly test: number;
  readonly learningRate: number;
  readonly out: string;
}
