// Arrays of the wasm device: eviction, reload, disposal, sharing, and the registry.
import { setImmediate as tick } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Cells, type WasmBuffer } from '../../backends/wasm/cells.ts';
import { Heap } from '../../backends/wasm/heap.ts';
import { OutOfMemoryError, DeletedArrayError } from '../../core/errors.ts';
import { download, upload } from './wasm-parts.ts';

const make = (softLimit = 2 ** 30, maximumBytes?: number): Cells =>
  new Cells(new Heap({ shared: false, reservedBytes: 64, maximumBytes }), { softLimit });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const ramp = (count: number, from = 0): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => from + i);

describe('cells', () => {
  test('values come back as they went in, of any size', () => {
    const cells = make();
    for (const count of [0, 1, 15, 16, 17, 1000, 100_000]) {
      const values = ramp(count);
      expect(download(cells, upload(cells, values))).toEqual([...values]);
    }
    const odd = cells.upload(Uint8Array.of(1, 2, 3));
    expect([...cells.download(odd)]).toEqual([1, 2, 3]);
  });

  test('tiny values take no heap', () => {
    const cells = make();
    const buffers = Array.from({ length: 100 }, (_, i) => upload(cells, [i]));
    expect(cells.heap.liveBytes).toBe(0);
    expect(buffers.map((b) => download(cells, b)[0])).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  test('above the soft limit the values used least recently move out, and come back with their contents', () => {
    const cells = make(10 * 4200);
    const buffers = Array.from({ length: 30 }, (_, i) => upload(cells, ramp(1000, i)));
    expect(cells.heap.liveBytes).toBeLessThanOrEqual(10 * 4200);
    expect(cells.evictions).toBeGreaterThanOrEqual(20);
    for (const [i, buffer] of buffers.entries()) {
      cells.beginCall();
      const address = cells.use(buffer);
      expect(cells.heap.u8.slice(address, address + 4000)).toEqual(
        new Uint8Array(ramp(1000, i).buffer),
      );
    }
    expect(cells.reloads).toBeGreaterThanOrEqual(20);
    expect(cells.heap.fault()).toBeUndefined();
    expect(cells.heap.liveBytes).toBeLessThanOrEqual(10 * 4200);
  });

  test('what a call uses stays in the heap until the next call', () => {
    const cells = make(3 * 4200);
    const inputs = Array.from({ length: 3 }, (_, i) => upload(cells, ramp(1000, i)));
    cells.beginCall();
    const addresses = inputs.map((b) => cells.use(b));
    const outputs = Array.from({ length: 5 }, () => cells.create(4000));
    expect(inputs.map((b) => cells.use(b))).toEqual(addresses);
    expect(new Set([...addresses, ...outputs.map((b) => cells.use(b))]).size).toBe(8);
  });

  test('dispose frees at once; use afterwards raises', () => {
    const cells = make();
    const buffer = upload(cells, ramp(1000));
    expect(cells.heap.liveBytes).toBeGreaterThan(4000);
    buffer.dispose();
    buffer.dispose();
    expect(buffer.deleted).toBe(true);
    expect(cells.heap.liveBytes).toBe(0);
    expect(() => cells.download(buffer)).toThrow(DeletedArrayError);
  });

  test('disposing a value that moved out drops the copy', () => {
    const cells = make(3 * 4200);
    const buffers = Array.from({ length: 6 }, () => upload(cells, ramp(1000)));
    for (const buffer of buffers) buffer.dispose();
    expect(cells.heap.liveBytes).toBe(0);
    expect(cells.residentCount).toBe(0);
  });

  test('two buffers of one value: the memory goes with the last', () => {
    const cells = make();
    const first = upload(cells, ramp(100));
    const second = cells.share(first);
    expect(cells.isSole(first)).toBe(false);
    first.dispose();
    expect(download(cells, second)).toEqual([...ramp(100)]);
    second.dispose();
    expect(cells.heap.liveBytes).toBe(0);
  });

  test('a full memory says what is live', () => {
    const cells = make(2 ** 30, 2 ** 20);
    cells.beginCall();
    const held = Array.from({ length: 3 }, () => cells.create(300_000));
    expect(() => cells.create(300_000)).toThrow(OutOfMemoryError);
    expect(() => cells.create(300_000)).toThrow(
      /wasm: the memory is full; got a request for 300 KB \(arrays\) with 9\d\d KB of 1.05 MB live \(arrays 9\d\d KB in 3 blocks\)/,
    );
    expect(held.length).toBe(3);
  });

  test('a request that the empty heap could not hold moves nothing out', () => {
    const cells = make(2 ** 20);
    const held = upload(cells, ramp(1000));
    for (const byteLength of [2 ** 33, 4e12]) {
      expect(() => cells.create(byteLength)).toThrow(OutOfMemoryError);
      expect(() => cells.reserve(byteLength, 'temporaries')).toThrow(OutOfMemoryError);
    }
    expect(cells.evictions).toBe(0);
    expect(download(cells, held)).toEqual([...ramp(1000)]);
  });

  test('collected values free their memory after a task; a slot used again is not freed by mistake', async () => {
    const cells = make();
    const fill = (): void => {
      for (let i = 0; i < 50; i++) upload(cells, ramp(1000));
    };
    let kept: WasmBuffer | undefined;
    for (let round = 0; round < 5; round++) {
      fill();
      kept = upload(cells, ramp(1000, round));
      await tick();
      collect();
      await tick();
      await tick();
    }
    expect(cells.heap.fault()).toBeUndefined();
    expect(cells.residentCount).toBeLessThan(60);
    expect(download(cells, kept!)).toEqual([...ramp(1000, 4)]);
  });

  test('a value that was evicted and reloaded is still freed when collected', async () => {
    const cells = make(4 * 4200);
    const work = (): void => {
      const a = upload(cells, ramp(1000));
      for (let i = 0; i < 6; i++) upload(cells, ramp(1000));
      cells.beginCall();
      cells.use(a);
    };
    work();
    cells.softLimit = 2 ** 30;
    for (let round = 0; round < 3; round++) {
      await tick();
      collect();
      await tick();
    }
    expect(cells.reloads).toBe(1);
    expect(cells.residentCount).toBe(0);
    expect(cells.heap.liveBytes).toBe(0);
  });
});
