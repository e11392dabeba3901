// The allocator of the wasm heap: blocks never overlap, neighbours merge, nothing is lost.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Heap, showBytes } from '../../backends/wasm/heap.ts';

const make = (maximumBytes?: number): Heap =>
  new Heap({ shared: false, reservedBytes: 64, maximumBytes });

describe('heap', () => {
  test('blocks are aligned, inside the memory, apart from each other, with slack behind', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(200), fc.nat(20_000), fc.nat(400_000), fc.constant(-1)), {
          maxLength: 120,
        }),
        fc.infiniteStream(fc.nat()),
        (sizes, picks) => {
          const heap = make();
          const live: { block: number; start: number; end: number }[] = [];
          for (const size of sizes) {
            if (size < 0 || live.length > 40) {
              if (live.length === 0) continue;
              const [gone] = live.splice(picks.next().value % live.length, 1);
              heap.free(gone.block);
            } else {
              const block = heap.allocate(size, 'arrays');
              const start = heap.address(block);
              const end = start + size + 64;
              expect(start % 64).toBe(0);
              expect(start).toBeGreaterThanOrEqual(64);
              expect(end).toBeLessThanOrEqual(heap.u8.length);
              expect(live.every((other) => end <= other.start || other.end <= start)).toBe(true);
              live.push({ block, start, end });
            }
            expect(heap.fault()).toBeUndefined();
          }
          for (const { block } of live) heap.free(block);
          expect(heap.liveBytes).toBe(0);
          expect(heap.fault()).toBeUndefined();
          // All merged: the next block begins where the first one did.
          expect(heap.address(heap.allocate(1, 'arrays'))).toBe(64);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('memory of a size that was freed is used again, also with live neighbours', () => {
    const heap = make();
    const blocks = Array.from({ length: 64 }, (_, i) => heap.allocate(100_003 + 64 * i, 'arrays'));
    const peak = heap.peakBytes;
    for (let round = 0; round < 1000; round++) {
      const at = (round * 7) % 64;
      heap.free(blocks[at]);
      blocks[at] = heap.allocate(100_003 + 64 * at, 'arrays');
    }
    expect(heap.peakBytes).toBe(peak);
    expect(heap.fault()).toBeUndefined();
  });

  test('a full memory gives -1, and what was freed can be had again', () => {
    const heap = make(4 * 2 ** 20);
    const blocks: number[] = [];
    for (;;) {
      const block = heap.allocate(2 ** 18, 'arrays');
      if (block < 0) break;
      blocks.push(block);
    }
    expect(blocks.length).toBe(15);
    for (const block of blocks) heap.free(block);
    expect(heap.allocate(3 * 2 ** 20, 'temporaries')).toBeGreaterThanOrEqual(0);
    expect(heap.report()).toBe('3.21 MB of 4.19 MB live (temporaries 3.21 MB in 1 blocks)');
  });

  test.each([2 ** 32 + 1, 4e12, 2 ** 38, 2 ** 53, Infinity])(
    'a request for %d bytes gives -1 and changes nothing',
    (byteLength) => {
      const heap = make();
      expect(heap.allocate(byteLength, 'arrays')).toBe(-1);
      expect(heap.liveBytes).toBe(0);
      expect(heap.fault()).toBeUndefined();
    },
  );

  test('views follow the memory when it grows, and contents stay', () => {
    for (const shared of [false, true]) {
      const heap = new Heap({ shared, reservedBytes: 64 });
      const small = heap.address(heap.allocate(100, 'arrays'));
      heap.u8.fill(7, small, small + 100);
      const large = heap.address(heap.allocate(2 ** 26, 'arrays'));
      heap.copy(large, small, 100);
      expect([...heap.u8.subarray(large, large + 101)]).toEqual([
        ...Array.from({ length: 100 }, () => 7),
        0,
      ]);
      expect(heap.i32.byteLength).toBe(heap.u8.length);
    }
  });

  test('freeing twice is an error', () => {
    const heap = make();
    const [first] = [heap.allocate(10, 'arrays'), heap.allocate(10, 'arrays')];
    heap.free(first);
    expect(() => heap.free(first)).toThrow('was freed twice');
  });

  test('bytes are shown with three digits', () => {
    expect([0, 999, 1000, 123_456, 4e9].map(showBytes)).toEqual([
      '0 bytes',
      '999 bytes',
      '1.00 KB',
      '123 KB',
      '4.00 GB',
    ]);
  });
});
