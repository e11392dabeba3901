// Runs a TypeScript program of this repository against the package itself, on any Node ≥ 20.19 and with WebGPU:
// `node scripts/run-ts.mjs examples/digits/main.ts ARGUMENTS…`.
// Programs import `palladia` and `palladia/…` as users do. dist/ is built when a source is newer; the program is emitted to out/run/.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './unpack.mjs';
import { vulkanEnvironment } from './vulkan.mjs';

const [program, ...args] = process.argv.slice(2);
if (program === undefined || !existsSync(join(root, program))) {
  console.error(`run-ts: a TypeScript file, as a path from the root, is needed; got ${program}.`);
  process.exit(2);
}

/** Emits one project; type errors are shown and do not stop the run. */
function emit(project) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = { cwd: root, stdio: ['ignore', 2, 2] };
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], options);
  if (status !== 0) console.error(`run-ts: ${project} has type errors; running what was emitted.`);
}

/** Says whether a source of the package is newer than what was built from it. */
function isStale() {
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8'));
  const built = join(root, 'dist', 'index.js');
  if (!existsSync(built)) return true;
  const builtMs = statSync(built).mtimeMs;
  const files = include
    .filter((name) => existsSync(join(root, name)))
    .flatMap((name) =>
      name.endsWith('.ts')
        ? [name]
        : readdirSync(join(root, name), { recursive: true }).map((file) => join(name, file)),
    );
  return files.some((file) => statSync(join(root, file)).mtimeMs > builtMs);
}

if (isStale()) emit('tsconfig.build.json');
emit('tsconfig.run.json');
const emitted = join(root, 'out', 'run', program.replace(/\.ts$/, '.js'));
const child = spawn(process.execPath, ['--enable-source-maps', emitted, ...args], {
  stdio: 'inherit',
  env: { ...process.env, ...vulkanEnvironment().variables },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
