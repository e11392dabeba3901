// Unpacks the Brotli archives that the npm package @sparticuz/chromium ships (SwiftShader, Chromium and its libraries)
// into node_modules/.cache, once per version. It is not a general tar reader: plain ustar files and folders only.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

/** The folder for everything that can be made again. */
export const cache = join(root, 'node_modules', '.cache', 'palladia');

/**
 * Finds the installed @sparticuz/chromium.
 * @returns {{ bin: string, version: string } | undefined} nothing where it is not installed, or holds no build for this machine
 */
export function findPackage() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  try {
    // The package exports no package.json, so the folder is found from its main file (build/cjs/index.cjs).
    const main = createRequire(join(root, 'package.json')).resolve('@sparticuz/chromium');
    const home = dirname(dirname(dirname(main)));
    const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
    return { bin: join(home, 'bin'), version };
  } catch {
    return undefined;
  }
}

/** Reads the entries of an uncompressed ustar archive. */
export function* tarEntries(bytes) {
  const text = (at, length) => bytes.toString('latin1', at, at + length).replace(/\0.*$/s, '');
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const byteLength = Number.parseInt(text(at + 124, 12).trim() || '0', 8);
    const prefix = text(at + 345, 155);
    const name = (prefix === '' ? '' : `${prefix}/`) + text(at, 100);
    const kind = text(at + 156, 1);
    const mode = Number.parseInt(text(at + 100, 8).trim(), 8);
    yield { name, kind, mode, body: bytes.subarray(at + 512, at + 512 + byteLength) };
    at += 512 + Math.ceil(byteLength / 512) * 512;
  }
}

/** Writes the plain files of a compressed archive below a folder; `keep` chooses them by name. */
export function unpackTar(archive, folder, keep = () => true) {
  for (const { name, kind, mode, body } of tarEntries(
    brotliDecompressSync(readFileSync(archive)),
  )) {
    if ((kind !== '0' && kind !== '') || !keep(name)) continue;
    const path = join(folder, normalize(name));
    if (!path.startsWith(folder)) throw new Error(`unpack: ${name} points out of ${folder}.`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, body, { mode: mode & 0o777 });
  }
}

/**
 * Fills a folder of the cache once. The work happens beside it and ends in a rename, so processes that start together
 * never see half a folder.
 */
export function once(name, fill) {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, `${name}-`));
  try {
    fill(draft);
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // another process was faster
  }
  return folder;
}
