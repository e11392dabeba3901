/** `palladia/export`: jitted functions as programs that can be saved, sent and run elsewhere. */
import './setup/start.ts';

export * from '../export/index.ts';
