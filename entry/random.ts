/** `palladia/random`: random numbers from keys. */
import './setup/start.ts';

export * from '../random/index.ts';
