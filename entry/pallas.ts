/** `palladia/pallas`: the kernel language and the kernel library. */
import './setup/start.ts';

export * from '../pallas/index.ts';
