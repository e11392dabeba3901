/**
 * Writes every program of `programs.ts` for `run.py`: StableHLO text, inputs and our results as raw bytes, and a JSON file that names them.
 * `node scripts/run-ts.mjs tests/xla/dump.ts FOLDER [DEVICE]`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { init, jit, setDefaultDevice, type DeviceKind, type Value } from 'palladia';
import { programs } from './programs.ts';

/** An array in a file. */
interface Stored {
  readonly file: string;
  /** Element type of the program. */
  readonly dtype: string;
  /** Element type in the file, as NumPy calls it. */
  readonly storage: string;
  readonly shape: readonly number[];
}

/** The arrays of a result, in the order of the program's results. */
function leaves(tree: unknown): Value[] {
  if (Array.isArray(tree)) return tree.flatMap(leaves);
  const object = tree as Readonly<Record<string, unknown>>;
  if ('aval' in object) return [tree as Value];
  return Object.keys(object)
    .toSorted()
    .flatMap((key) => leaves(object[key]));
}

const [folder, device = 'wasm'] = process.argv.slice(2);
if (folder === undefined) throw new Error('dump: name a folder for the programs');

async function store(name: string, x: Value): Promise<Stored> {
  const data = await x.data();
  writeFileSync(join(folder, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const storage = data.constructor.name.replace('Array', '').replace('Big', '').toLowerCase();
  return { file: name, dtype: x.dtype, storage, shape: x.shape };
}

mkdirSync(folder, { recursive: true });
setDefaultDevice(await init({ device: device as DeviceKind }));
for (const { name, f, args, tolerance } of programs()) {
  const jitted = jit(f, { name });
  writeFileSync(join(folder, `${name}.mlir`), jitted.lower(...args).asText());
  const results = leaves(jitted(...args));
  const inputs = await Promise.all(args.map((x, i) => store(`${name}.in${i}.bin`, x)));
  const outputs = await Promise.all(results.map((x, i) => store(`${name}.out${i}.bin`, x)));
  writeFileSync(
    join(folder, `${name}.json`),
    `${JSON.stringify({ name, tolerance, inputs, outputs }, null, 2)}\n`,
  );
  console.log(`${name}: ${inputs.length} inputs, ${outputs.length} outputs`);
}
