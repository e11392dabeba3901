/** The module that pages start as a worker: it serves tasks from its first message on. Node has no use for it. */
import { serveTasks, type WorkerData } from './serve.ts';

const listen = (event: Event): void => {
  serveTasks((event as MessageEvent<WorkerData>).data);
  globalThis.close();
};
globalThis.addEventListener('message', listen, { once: true });
