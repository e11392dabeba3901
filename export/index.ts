/** Programs that leave the process: jitted functions with their types and StableHLO text. */
export {
  deserialize,
  Exported,
  exportFunction,
  type Exportable,
  type SerializeOptions,
} from './exported.ts';
export { registerSerialization, type NodeSerialization } from './tree-data.ts';
