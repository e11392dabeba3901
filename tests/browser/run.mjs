// Runs the built package in headless Chromium, on WebGPU and on Wasm: `npm run build && npm run test:browser`.
// Serves dist/ and this folder on the loopback, opens the page, and prints what the page puts into `window.__results`.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright-core';
import { findChromium, flags } from '../../scripts/chromium.mjs';
import { root } from '../../scripts/unpack.mjs';

const limitMs = 300_000;
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
};

// Isolated, as a page must be to share memory with workers; scripts from here only, and no text run as code.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Content-Security-Policy':
    "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'self' blob:",
  'Cache-Control': 'no-store',
};

/** Builds the page: an import map from the package's export map, and the script. */
async function page() {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const imports = Object.fromEntries(
    Object.entries(manifest.exports)
      .filter(([, target]) => typeof target === 'object')
      .map(([name, target]) => [`palladia${name.slice(1)}`, target.default.slice(1)]),
  );
  const built = existsSync(join(root, 'dist', 'index.js')) ? ' data-built' : '';
  return `<!doctype html>
<html${built}>
<meta charset="utf-8">
<title>Palladia in a page</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module" src="/tests/browser/page.js"></script>`;
}

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, 'http://localhost').pathname);
  const answer = (status, type, body) =>
    response.writeHead(status, { ...headers, 'Content-Type': type }).end(body);
  const isOpen = path.startsWith('/dist/') || path.startsWith('/tests/browser/');
  const body =
    path === '/' ? page() : isOpen ? readFile(join(root, path)) : Promise.reject(new Error());
  body.then(
    (bytes) =>
      answer(200, path === '/' ? 'text/html' : (types[extname(path)] ?? 'text/plain'), bytes),
    () => answer(404, 'text/plain', `no ${path}`),
  );
});

const found = findChromium();
if (found === undefined) {
  console.error(
    'browser: a Chromium is needed; @sparticuz/chromium holds none for this machine. Name one in PALLADIA_CHROMIUM.',
  );
  process.exit(1);
}
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const browser = await chromium.launch({ ...found, headless: true, args: flags });
let failed = 0;
try {
  const tab = await browser.newPage();
  tab.on('console', (message) => console.log(`  page: ${message.text()}`));
  tab.on('pageerror', (error) => console.log(`  page error: ${error.message}`));
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab.waitForFunction(() => window.__results !== undefined, undefined, { timeout: limitMs });
  const results = await tab.evaluate(() => window.__results);
  for (const { name, error, skip, timeMs } of results) {
    const mark = error !== undefined ? '✗' : skip !== undefined ? '↓' : '✓';
    console.log(
      `${mark} ${name} ${skip ?? `(${timeMs.toFixed(0)} ms)`}${error === undefined ? '' : `\n    ${error}`}`,
    );
  }
  failed = results.filter(({ error }) => error !== undefined).length;
  const skipped = results.filter(({ skip }) => skip !== undefined).length;
  console.log(
    `browser (Chromium ${browser.version()}): ${results.length - failed - skipped} passed, ${failed} failed, ${skipped} skipped`,
  );
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed === 0 ? 0 : 1;
