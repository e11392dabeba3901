/**
 * Writes partitioned programs for `run-spmd.py`: the programs of `tests/parity/shard-programs.ts` at the arguments that were recorded
 * from JAX, as StableHLO with shardings. `node scripts/run-ts.mjs tests/xla/dump-spmd.ts FOLDER`, from the root.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jit, NDArray } from 'palladia';
import { programs } from '../parity/shard-programs.ts';

interface Leaf {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('dump-spmd: name a folder for the programs');
mkdirSync(folder, { recursive: true });

const recorded = JSON.parse(readFileSync('tests/parity/shard.json', 'utf8')) as {
  readonly programs: Readonly<
    Record<string, { readonly args: readonly Leaf[]; readonly result: readonly Leaf[] }>
  >;
};

Object.entries(recorded.programs).forEach(([name, { args, result }], i) => {
  const arrays = args.map(({ dtype, shape, values }) =>
    NDArray.fromHost(values, shape, dtype === 'int32' ? 'i32' : 'f32'),
  );
  const lowered = jit(programs[name], { name: `program_${i}` }).lower(...arrays);
  writeFileSync(join(folder, `${i}.mlir`), lowered.asText({ spmd: true }));
  writeFileSync(join(folder, `${i}.json`), JSON.stringify({ name, args, result }));
});
