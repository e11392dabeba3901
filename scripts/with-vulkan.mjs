// Runs a command where WebGPU works: `node scripts/with-vulkan.mjs COMMAND ARGUMENTS…`.
// The command's exit code and signals pass through; programs in node_modules/.bin are found.
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { root } from './unpack.mjs';
import { vulkanEnvironment } from './vulkan.mjs';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error(
    'with-vulkan: a command is needed. Write: node scripts/with-vulkan.mjs COMMAND ARGUMENTS…',
  );
  process.exit(2);
}

const PATH = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
const child = spawn(command, args, {
  stdio: 'inherit',
  env: { ...process.env, PATH, ...vulkanEnvironment().variables },
  shell: process.platform === 'win32', // programs in .bin are .cmd files there
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(
    `with-vulkan: the command must be a program on the PATH; got ${command} (${error.message}).`,
  );
  process.exit(127);
});
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
