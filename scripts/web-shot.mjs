// Trains in the built digits page in headless Chromium and takes a picture:
// `npm run web:build && node scripts/web-shot.mjs [device=wasm|webgpu] [epochs=1] [train=400] [out=out/web.png]`.
import { chromium } from 'playwright-core';
import { preview } from 'vite';
import { findChromium, flags } from './chromium.mjs';
import { root } from './unpack.mjs';

const options = Object.fromEntries(process.argv.slice(2).map((text) => text.split('=')));
const found = findChromium();
if (found === undefined) throw new Error('web-shot: there is no Chromium for this machine.');
const server = await preview({
  configFile: `${root}/web/digits/vite.config.ts`,
  preview: { port: 0, host: '127.0.0.1' },
});
const browser = await chromium.launch({ ...found, headless: true, args: flags });
try {
  const page = await browser.newPage();
  page.on('console', (message) => console.log(`page: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`page error: ${error.message}`));
  const { port } = server.httpServer.address();
  await page.goto(`http://127.0.0.1:${port}/?device=${options.device ?? 'wasm'}`);
  await page.fill('[name=epochs]', options.epochs ?? '1');
  await page.fill('[name=train]', options.train ?? '400');
  await page.click('button');
  const limit = Number(options.limit ?? 240_000);
  await page
    .waitForFunction(() => document.body.dataset.done === 'true', undefined, { timeout: limit })
    .catch(() => undefined);
  console.log(`status: ${await page.textContent('#status')}`);
  console.log(`epochs: ${(await page.textContent('#epochs')).replaceAll(/\s+/g, ' ')}`);
  await page.screenshot({ path: options.out ?? 'out/web.png', fullPage: true });
} finally {
  await browser.close();
  await server.close();
}
process.exit(0);
