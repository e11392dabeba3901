// The import table: which room of the house may import from which. It is the drawing of ARCHITECTURE.md as data; the rooms stand
// in the order in which nothing points up. imports.test.ts holds every product file against it.

/** A room that may be imported; `typesOnly` allows `import type` alone. */
export type Door = string | { readonly room: string; readonly typesOnly: true };

/** One row of the table. A room is a folder, or a file without its ending; the longest name that fits a path owns it. */
export type Room = {
  readonly name: string;
  readonly mayImport: readonly Door[];
  /** Which packages and modules of the platform may be imported: none when left out. */
  readonly packages?: RegExp;
};

const types = (room: string): Door => ({ room, typesOnly: true });
const beforeTheManual = ['core', 'lax', 'transforms', 'control'] as const;
const whatPallasMay = [...beforeTheManual, 'lowering'] as const;
const platform = /^(node:|webgpu$)/;
const entryPoints = ['index', 'entry'] as const;

/** The table. A name without a slash opens all of its folder. */
export const rooms: readonly Room[] = [
  { name: 'core', mayImport: [] },
  { name: 'lowering/scalar', mayImport: ['core'] },
  { name: 'lowering/tile', mayImport: ['core', 'lowering/scalar'] },
  { name: 'lowering/hlo', mayImport: ['core', 'lowering/scalar', types('lowering/tile')] },
  { name: 'lowering/rules', mayImport: ['core', 'lowering/hlo'] },
  { name: 'lowering/math', mayImport: ['core', 'lowering/scalar', 'lowering/tile'] },
  {
    name: 'lowering/fuse',
    mayImport: ['core', 'lowering/scalar', 'lowering/math', 'lowering/hlo', 'lowering/tile'],
  },
  {
    name: 'lowering/wgsl',
    mayImport: ['core', 'lowering/scalar', 'lowering/math', 'lowering/tile'],
  },
  {
    name: 'lowering/wasm',
    mayImport: ['core', 'lowering/scalar', 'lowering/math', 'lowering/tile'],
  },
  { name: 'lowering/from-jaxpr', mayImport: ['core', 'lowering'] },
  { name: 'lowering/compile', mayImport: ['core', 'lowering'] },
  { name: 'lax', mayImport: ['core', 'lowering/scalar', 'lowering/hlo', 'lowering/rules'] },
  { name: 'transforms', mayImport: ['core', 'lax', 'lowering'] },
  {
    name: 'control',
    mayImport: ['core', 'lax', 'transforms', 'lowering/scalar', 'lowering/hlo', 'lowering/rules'],
  },
  { name: 'pallas', mayImport: whatPallasMay },
  { name: 'backends', mayImport: ['core', 'lowering'], packages: platform },
  { name: 'hlo', mayImport: [...whatPallasMay, 'pallas'] },
  { name: 'export', mayImport: [...whatPallasMay, 'pallas', 'hlo'] },
  { name: 'linalg', mayImport: beforeTheManual },
  { name: 'fft', mayImport: beforeTheManual },
  { name: 'numpy', mayImport: [...beforeTheManual, 'linalg', 'fft'] },
  { name: 'random', mayImport: [...beforeTheManual, 'linalg', 'fft', 'numpy'] },
  {
    name: 'nn',
    mayImport: [...beforeTheManual, 'linalg', 'fft', 'numpy', 'random', 'pallas/ops'],
  },
  { name: 'scipy', mayImport: [...beforeTheManual, 'linalg', 'fft', 'numpy', 'random'] },
  { name: 'optim', mayImport: [...beforeTheManual, 'linalg', 'fft', 'numpy', 'random'] },
  { name: 'image', mayImport: [...beforeTheManual, 'linalg', 'fft', 'numpy', 'random'] },
  { name: 'testing', mayImport: entryPoints, packages: /^fast-check$/ },
  { name: 'entry', mayImport: ['*'], packages: platform },
  { name: 'index', mayImport: ['*'] },
];

/** Says whether a path lies in a room: its folder, its file, or a file beside it that carries its name (`scalar-meaning.ts`). */
const liesIn = (path: string, name: string): boolean =>
  path === `${name}.ts` || path.startsWith(`${name}/`) || path.startsWith(`${name}-`);

/** Returns the room that owns a path such as `lowering/hlo/print.ts`. */
export function roomOf(path: string): Room | undefined {
  const owners = rooms.filter(({ name }) => liesIn(path, name));
  return owners.toSorted((a, b) => b.name.length - a.name.length)[0];
}

/**
 * Says why one file may not import another, or nothing where it may.
 * @param target the imported file's path from the root
 * @param isType whether the import disappears when the types are erased
 */
export function objection(from: string, target: string, isType: boolean): string | undefined {
  const room = roomOf(from);
  if (room === undefined) return `${from} stands in no room of the table in tests/house/table.ts`;
  const own = roomOf(target);
  if (own === undefined) return `${from} imports ${target}, which stands in no room`;
  if (own.name === room.name || room.mayImport.includes('*')) return undefined;
  for (const door of room.mayImport) {
    const isOpen =
      typeof door === 'string' ? liesIn(target, door) : isType && liesIn(target, door.room);
    if (isOpen) return undefined;
  }
  const listed = room.mayImport.map((door) =>
    typeof door === 'string' ? door : `${door.room} (types only)`,
  );
  return `${from} imports ${target}${isType ? ' (types)' : ''}; ${room.name} may import: ${listed.join(', ') || 'nothing'}`;
}
