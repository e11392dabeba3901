// Uses the package as a stranger would: packs it, installs the tarball in an empty project, type checks a program against the
// shipped declarations, and runs it in plain Node. `npm run test:package` (the build must stand).
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../scripts/unpack.mjs';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const project = mkdtempSync(join(tmpdir(), 'palladia-scratch-'));

/** Runs a program in the scratch project and shows its output. */
const run = (program, args) =>
  execFileSync(program, args, {
    cwd: project,
    stdio: 'inherit',
    env: { ...process.env, NODE_ENV: '' },
  });

try {
  const options = { cwd: root, encoding: 'utf8' };
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', project];
  const [packed] = JSON.parse(execFileSync(npm, args, options));
  const kib = (byteLength) => `${(byteLength / 1024).toFixed(0)} KiB`;
  console.log(
    `packed ${packed.files.length} files, ${kib(packed.size)} (${kib(packed.unpackedSize)} unpacked)`,
  );
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'scratch', private: true, type: 'module' }),
  );
  run(npm, [
    'install',
    '--no-audit',
    '--no-fund',
    '--omit=optional',
    join(project, packed.filename),
  ]);
  copyFileSync(join(root, 'tests', 'package', 'program.ts'), join(project, 'program.ts'));
  // The compiler and the platform's types are borrowed; everything else is what the tarball holds.
  symlinkSync(join(root, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2024',
        lib: ['ES2024', 'ESNext.Disposable', 'DOM'],
        module: 'NodeNext',
        strict: true,
        types: ['node'],
      },
      files: ['program.ts'],
    }),
  );
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']);
  run(process.execPath, ['program.js']);
} finally {
  rmSync(project, { recursive: true, force: true });
}
