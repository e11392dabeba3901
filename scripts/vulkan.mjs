// The environment in which the npm package `webgpu` finds a Vulkan driver: SwiftShader out of @sparticuz/chromium, so that
// WebGPU tests run on any Linux machine with Node and npm alone. A driver that the user names is kept. On macOS and Windows
// WebGPU does not go through Vulkan and nothing is changed.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cache, findPackage, once, unpackTar } from './unpack.mjs';

const loaderFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/lib64',
];

/** Says whether the system has a Vulkan loader of its own. */
const systemHasLoader = () =>
  loaderFolders.some((folder) => existsSync(join(folder, 'libvulkan.so.1')));

/** Unpacks SwiftShader and the Vulkan loader, and returns their folder. */
function swiftShader({ bin, version }) {
  const folder = once(`swiftshader-${version}`, (draft) => {
    unpackTar(join(bin, 'swiftshader.tar.br'), draft, (name) =>
      /(libvk_swiftshader\.so|libvulkan\.so\.1)$/.test(name),
    );
  });
  // The manifest is written here, with an absolute path: loaders differ in how they resolve a relative one.
  const manifest = JSON.stringify({
    file_format_version: '1.0.0',
    ICD: { library_path: join(folder, 'libvk_swiftshader.so'), api_version: '1.1.0' },
  });
  const path = join(folder, 'icd.json');
  if (!existsSync(path) || readFileSync(path, 'utf8') !== manifest) {
    writeFileSync(`${path}.${process.pid}`, manifest);
    renameSync(`${path}.${process.pid}`, path);
  }
  return folder;
}

/** Makes a folder of the cache that only this user can read. */
function privateFolder(name) {
  const folder = join(cache, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Returns the variables to add to the environment, and what they choose, in words.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {{ variables: Record<string, string>, driver: string }}
 */
export function vulkanEnvironment(environment = process.env) {
  if (process.platform !== 'linux') return { variables: {}, driver: 'the system’s own' };
  const variables = {};
  if (!environment.XDG_RUNTIME_DIR) variables.XDG_RUNTIME_DIR = privateFolder('runtime');
  if (!environment.MESA_SHADER_CACHE_DIR) variables.MESA_SHADER_CACHE_DIR = privateFolder('mesa');
  const named = environment.VK_ICD_FILENAMES ?? environment.VK_DRIVER_FILES;
  const found = findPackage();
  if (found === undefined)
    return { variables, driver: named ?? 'the system’s own (no SwiftShader for this machine)' };
  const folder = swiftShader(found);
  if (named === undefined) variables.VK_ICD_FILENAMES = join(folder, 'icd.json');
  if (named === undefined || !systemHasLoader())
    variables.LD_LIBRARY_PATH = [folder, environment.LD_LIBRARY_PATH]
      .filter((part) => part)
      .join(delimiter);
  return { variables, driver: named ?? `SwiftShader of @sparticuz/chromium ${found.version}` };
}
