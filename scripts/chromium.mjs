// A headless Chromium that runs WebGPU on SwiftShader, out of the npm package @sparticuz/chromium with the libraries it ships.
// PALLADIA_CHROMIUM names another browser's program instead.
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { findPackage, once, unpackTar } from './unpack.mjs';

/** The flags for WebGPU without a GPU and without connections of the browser's own. */
export const flags = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan,SharedArrayBuffer',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];

// Pages with text need a font: the one in the package, found beside this file.
const fontsConfig = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>Open Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>Open Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>Open Sans</family></prefer></alias>
</fontconfig>
`;

/**
 * Unpacks the browser once and returns its program with the environment it needs.
 * @returns {{ executablePath: string, env: Record<string, string> } | undefined} nothing where there is none for this machine
 */
export function findChromium(environment = process.env) {
  const named = environment.PALLADIA_CHROMIUM;
  if (named) return { executablePath: named, env: { ...environment } };
  const found = findPackage();
  if (found === undefined) return undefined;
  const { bin, version } = found;
  const folder = once(`chromium-${version}`, (draft) => {
    const program = brotliDecompressSync(readFileSync(join(bin, 'chromium.br')));
    writeFileSync(join(draft, 'chromium'), program, { mode: 0o755 });
    for (const archive of ['swiftshader', 'al2023', 'fonts'])
      unpackTar(join(bin, `${archive}.tar.br`), draft);
    // The browser looks for its software driver's manifest beside the program.
    const driver = { library_path: './libvk_swiftshader.so', api_version: '1.1.0' };
    const manifest = JSON.stringify({ file_format_version: '1.0.0', ICD: driver });
    writeFileSync(join(draft, 'vk_swiftshader_icd.json'), manifest);
    writeFileSync(join(draft, 'fonts.conf'), fontsConfig);
  });
  const libraries = [join(folder, 'lib'), environment.LD_LIBRARY_PATH].filter((part) => part);
  const env = {
    ...environment,
    LD_LIBRARY_PATH: libraries.join(delimiter),
    FONTCONFIG_PATH: join(folder),
  };
  return { executablePath: join(folder, 'chromium'), env };
}
