/** The options of a training run. */

/** What training needs to know. */
export interface TrainingOptions {
  readonly epochs: number;
  readonly seed: number;
  /** Images per step. */
  readonly batch: number;
  /** Transformer blocks. */
  readonly depth: number;
  /** Training images. */
  readonly train: number;
  /** Held-out images. */
  readonly test: number;
  readonly learningRate: number;
}

/** What the command line says. */
export interface Options extends TrainingOptions {
  readonly device: 'wasm' | 'webgpu' | 'interpreter';
  readonly out: string;
}
