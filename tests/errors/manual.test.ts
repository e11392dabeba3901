// The manual of errors: one heading per class, and `help` leads there.
import { readFileSync } from 'node:fs';
import * as palladia from 'palladia';
import * as np from 'palladia/numpy';
import * as testing from 'palladia/testing';
import { expect, test } from 'vitest';

const manual = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const headings = [...manual.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
const isErrorClass = (x: unknown): boolean =>
  x === palladia.PalladiaError ||
  (typeof x === 'function' && x.prototype instanceof palladia.PalladiaError);

test('every exported class has its heading, and every heading its class', () => {
  const classes = Object.entries({ ...palladia, ...testing })
    .filter(([, x]) => isErrorClass(x))
    .map(([name]) => name);
  expect(headings.toSorted()).toEqual(classes.toSorted());
});

test('an error says where it is explained and where it came from', () => {
  let caught: unknown;
  try {
    np.ones([2]).add(np.ones([3]));
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(palladia.ShapeError);
  const error = caught as palladia.ShapeError;
  expect(error.name).toBe('ShapeError');
  expect(error.help).toBe('docs/errors.md#shapeerror');
  expect(error.userFrame).toMatch(/tests\/errors\/manual\.test\.ts:\d+:\d+$/);
  expect(error.message).toContain(`\n    at ${error.userFrame}\n    see ${error.help}`);
});
