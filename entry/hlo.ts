/** `palladia/hlo`: StableHLO programs as text. */
import './setup/start.ts';

export * from '../hlo/index.ts';
