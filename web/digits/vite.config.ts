/** Builds the digits page from the built package; isolated, so that Wasm may use threads. */
import { fileURLToPath } from 'node:url';
import { defineConfig, type UserConfig } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const config: UserConfig = defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  resolve: {
    alias: [
      { find: /^palladia$/, replacement: `${root}dist/index.js` },
      { find: /^palladia\/(.*)$/, replacement: `${root}dist/entry/$1.js` },
    ],
  },
  build: { outDir: `${root}out/web/digits`, emptyOutDir: true, target: 'es2024' },
  server: { headers },
  preview: { headers },
  worker: { format: 'es' },
});

export default config;
