/** `npm run demo`: trains a small vision transformer on real handwritten digits and writes `out/digits.html`. */
import { existsSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { init, setDefaultDevice } from 'palladia';
import { loadDigits } from './load.ts';
import type { Options } from './options.ts';
import { reportOf } from './report.ts';
import { watch } from './terminal.ts';

function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    return value;
  };
}

function folder(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must be the name of a folder.');
  return text;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity))
    throw new InvalidArgumentError('It must be a positive number.');
  return value;
}

function parse(args: readonly string[]): Options {
  const program = new Command('digits')
    .description(
      'Train a small vision transformer, with attention as a custom kernel, to read handwritten digits.',
    )
    .addOption(
      new Option('--device <name>', 'where to compute')
        .choices(['wasm', 'webgpu', 'interpreter'])
        .default('wasm'),
    )
    .option('--epochs <n>', 'passes over the training images', whole(1), 12)
    .option('--seed <n>', 'seed of the data split, the parameters and the order', whole(0), 0)
    .option('--batch <n>', 'images per step', whole(1), 100)
    .option('--depth <n>', 'transformer blocks', whole(1), 2)
    .option('--train <n>', 'training images', whole(1), 9000)
    .option('--test <n>', 'held-out images', whole(1), 1000)
    .option('--learning-rate <x>', 'peak learning rate', positive, 0.004)
    .option('--out <folder>', 'where the report goes', folder, 'out')
    .parse(args, { from: 'user' });
  return program.opts<Options>();
}

/** Make a folder and those around it, one by one: Node's own way never ends where the system takes no folders, as in /proc. */
async function makeFolder(path: string): Promise<void> {
  const around = dirname(path);
  if (!existsSync(around)) await makeFolder(around);
  if (!existsSync(path)) await mkdir(path);
  else if (!statSync(path).isDirectory())
    throw new Error(`digits: --out must name a folder; ${path} is a file. Choose another name.`);
}

async function main(): Promise<void> {
  const options = parse(process.argv.slice(2));
  await init({ device: options.device });
  setDefaultDevice(options.device);
  const digits = await loadDigits(options.seed);
  if (options.train + options.test > digits.count)
    throw new Error(
      `digits: --train and --test must not exceed the ${digits.count} images together; got ${options.train} + ${options.test}.`,
    );
  // Before training: a folder that cannot be made is said at once.
  await makeFolder(options.out);
  const result = await watch(digits, options);
  const file = `${options.out}/digits.html`;
  await writeFile(file, reportOf(digits, result, options));
  console.log(`wrote ${file}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
