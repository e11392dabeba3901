// Kernels as text: what is printed is read back exactly, and text that is no kernel gives a ParseError.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ParseError } from '../../core/errors.ts';
import { makeKernel, type TileBuilder } from '../../lowering/tile/build.ts';
import type { Kernel, Ref } from '../../lowering/tile/ir.ts';
import { parseKernel } from '../../lowering/tile/parse.ts';
import { printKernel } from '../../lowering/tile/print.ts';
import { simplifyKernel } from '../../lowering/tile/simplify.ts';
import { verifyKernel } from '../../lowering/tile/verify.ts';
import { everyOp } from './tile-kernels.ts';

const softmax = (): Kernel => {
  const row = {
    dtype: 'f32',
    shape: [4096, 1024],
    dims: [
      { kind: 'blocked', size: 8 },
      { kind: 'blocked', size: 1024 },
    ],
  } as const;
  return makeKernel({
    name: 'softmax',
    grid: [{ extent: 512, semantics: 'parallel' }],
    scratch: [],
    operands: [
      { ...row, name: 'x', access: 'read', indexMap: (b, [i]) => [i, b.int(0)] },
      { ...row, name: 'y', access: 'write', indexMap: (b, [i]) => [i, b.int(0)] },
    ],
    body: (b: TileBuilder, [x, y]: Ref[]) => {
      const t = b.load(x);
      const m = b.broadcast(b.reduce(t, 'max', [1]), [8, 1024]);
      const e = b.scalar('exp', b.scalar('sub', t, m));
      b.store(y, b.scalar('div', e, b.broadcast(b.reduce(e, 'add', [1]), [8, 1024])));
    },
  });
};

describe('print and parse', () => {
  test('softmax', () => {
    expect(printKernel(softmax())).toMatchInlineSnapshot(`
      "kernel @softmax(
        %x: ref<4096x1024xf32, block 8x1024 at (i, 0)>,
        %y: ref<4096x1024xf32, block 8x1024 at (i, 0), write>
      ) grid (i: 512) {
        %0 = load %x                           : tile<8x1024xf32>
        %1 = reduce max %0 axis 1              : tile<8x1xf32>
        %2 = broadcast %1 dims [0, 1]          : tile<8x1024xf32>
        %3 = sub %0, %2                        : tile<8x1024xf32>
        %4 = exp %3                            : tile<8x1024xf32>
        %5 = reduce add %4 axis 1              : tile<8x1xf32>
        %6 = broadcast %5 dims [0, 1]          : tile<8x1024xf32>
        %7 = div %4, %6                        : tile<8x1024xf32>
        store %y, %7
      }
      "
    `);
  });
  test('every op comes back exactly', () => {
    for (const kernel of [softmax(), ...everyOp()]) {
      verifyKernel(kernel);
      const text = printKernel(kernel);
      expect(printKernel(parseKernel(text))).toBe(text);
      const simple = printKernel(simplifyKernel(kernel));
      expect(printKernel(parseKernel(simple))).toBe(simple);
    }
  });
  test('index maps keep their expressions', () => {
    const head = (map: string): string =>
      `kernel @k(%x: ref<8xf32, block 2 at (${map})>) grid (i: 4, j: 2 sequential) {\n}\n`;
    for (const map of [
      'i',
      'i * 2 + 1',
      '(i + 1) * j',
      'i - (j - 1)',
      'div(i, 2) + rem(j, 3)',
      'min(i, 3)',
      '-1',
    ])
      expect(printKernel(parseKernel(head(map)))).toBe(head(map));
  });
});

describe('text that is no kernel', () => {
  const messageOf = (text: string): string => {
    try {
      parseKernel(text);
    } catch (error) {
      if (error instanceof ParseError) return error.message.split('\n')[0];
      throw error;
    }
    return 'no error';
  };
  const body = (ops: string): string =>
    `kernel @k(%x: ref<4xf32, block 4 at (0)>) grid () {\n  ${ops}\n}`;
  test('messages name the place', () => {
    expect(messageOf('')).toMatchInlineSnapshot(
      `"kernel: 1:1: expected \`kernel\`; got the end of the text."`,
    );
    expect(messageOf(body('%0 = load %y : tile<4xf32>'))).toMatchInlineSnapshot(
      `"kernel: 2:16: %y is not defined; got \`: tile<4xf32>\`."`,
    );
    expect(messageOf(body('%0 = load %x : tile<5xf32>'))).toMatchInlineSnapshot(
      `"kernel: 2:3: load gives (f32[4]); got \`%0 = load %x : tile<\`."`,
    );
    expect(messageOf(body('%0 = frob %x : tile<4xf32>'))).toMatchInlineSnapshot(
      `"kernel: 2:3: expected an op of kernels; got \`%0 = frob %x : tile<\`."`,
    );
    expect(messageOf(body('%0 = load %x : tile<4xf32>\n  store %x, %0'))).toMatchInlineSnapshot(
      `"kernel: 1:1: kernel @k: store: the operand may only be read; got store %x, %0."`,
    );
    expect(messageOf(body('%0 = constant 1.5 : tile<i32>'))).toMatchInlineSnapshot(
      `"kernel: 2:3: expected an integer of i32; got \`%0 = constant 1.5 : \`."`,
    );
    expect(
      messageOf(body('%0 = load %x : tile<4xf32>\n  %0 = load %x : tile<4xf32>')),
    ).toMatchInlineSnapshot(`"kernel: 3:3: %0 is defined twice; got \`%0 = load %x : tile<\`."`);
  });
  test('deep nesting is refused, not a stack overflow', () => {
    expect(messageOf(body('if %x then {'.repeat(5000)))).toContain('%x');
    expect(messageOf(`kernel @k(%x: ref<4xf32, block 4 at (${'('.repeat(100_000)}`)).toContain(
      'nesting',
    );
  });
  test('damaged text is refused or is a kernel', () => {
    const texts = everyOp().map(printKernel);
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.nat(40),
        fc.string({ maxLength: 6 }),
        (which, where, cut, insert) => {
          const text = texts[which % texts.length];
          const at = where % text.length;
          messageOf(text.slice(0, at) + insert + text.slice(at + cut));
        },
      ),
      { numRuns: 500 },
    );
  });
});
