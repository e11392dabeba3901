// The test runner: two projects. `node` runs every file in a process of its own, at most two at a time. `webgpu` runs the
// files named *webgpu* one after the other in one process, because a process gets one GPU device and drivers dislike more.
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ViteUserConfig } from 'vitest/config';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('.', import.meta.url));
const webgpu = ['tests/**/*webgpu*.test.ts'];

/** Runs tests/tiny.test.ts before everything else: it says in a second whether anything works. */
class TinyFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isTiny = (file: TestSpecification): number =>
      file.moduleId.endsWith('/tiny.test.ts') ? 0 : 1;
    return sorted.sort((a, b) => isTiny(a) - isTiny(b));
  }
}

/** Maps the package's own public paths to their sources, so that tests import what users import. */
const alias = [
  { find: /^palladia$/, replacement: `${root}index.ts` },
  ...(existsSync(`${root}entry`) ? readdirSync(`${root}entry`) : []).map((file) => ({
    find: new RegExp(`^palladia/${file.replace(/\.ts$/, '')}$`),
    replacement: `${root}entry/${file}`,
  })),
];

// One seed for the whole run: every worker reads it (tests/setup/properties.ts).
const seed = process.env['PALLADIA_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31));
console.log(`property tests: seed ${seed} (the same again: PALLADIA_SEED=${seed} npm test)`);

const shared = {
  pool: 'forks' as const,
  globals: false,
  setupFiles: ['tests/setup/properties.ts'],
  env: { PALLADIA_SEED: seed },
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

const config: ViteUserConfig = defineConfig({
  resolve: { alias },
  test: {
    passWithNoTests: true,
    teardownTimeout: 5_000,
    maxWorkers: 2,
    sequence: { sequencer: TinyFirst },
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: 'node',
          include: ['tests/**/*.test.ts'],
          exclude: [...webgpu, 'tests/browser/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'webgpu',
          include: webgpu,
          maxWorkers: 1,
          isolate: false,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});

export default config;
