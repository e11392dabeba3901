/** Handwritten digits as arrays: order by seed, cutting into patches. Loading stands in `load.ts` for Node and in the page for browsers. */
/** Side of an image and of a patch, in pixels. */
export const imageSide = 28;
const patchSide = 7;
/** Patches of an image, and pixels of a patch. */
export const tokens: number = (imageSide / patchSide) ** 2;
export const patchPixels: number = patchSide ** 2;

/** Images as rows of pixels in [0, 1], with their digits. */
export interface Digits {
  readonly count: number;
  /** Row-major [count, 28, 28]. */
  readonly pixels: Float32Array;
  readonly labels: Int32Array;
}

/** A small generator of uniform numbers, for shuffling on the host. */
export function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Numbers 0 … n - 1 in random order. */
export function shuffled(n: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Put the images of every digit (rows of 784 grey values) into one set, in random order. */
export function arrange(perDigit: readonly (readonly number[])[], seed: number): Digits {
  const size = imageSide * imageSide;
  const images = perDigit.flatMap((data, digit) =>
    Array.from({ length: data.length / size }, (_, i) => ({ data, digit, at: i * size })),
  );
  const order = shuffled(images.length, generator(seed));
  const pixels = new Float32Array(images.length * size);
  const labels = new Int32Array(images.length);
  order.forEach((from, to) => {
    const { data, digit, at } = images[from];
    for (let p = 0; p < size; p++) pixels[to * size + p] = data[at + p];
    labels[to] = digit;
  });
  return { count: images.length, pixels, labels };
}

/** How far an image may be moved during training, in pixels. */
const reach = 1;

/**
 * Images in an order, as patches: row-major [count, 16, 49]. With a generator of random numbers every image is moved a little, so that
 * the model sees more than the images that there are.
 */
export function patches(digits: Digits, order: Int32Array, random?: () => number): Float32Array {
  const perSide = imageSide / patchSide;
  const size = imageSide * imageSide;
  const out = new Float32Array(order.length * size);
  const shift = (): number =>
    random === undefined ? 0 : Math.floor(random() * (2 * reach + 1)) - reach;
  order.forEach((image, row) => {
    const [dx, dy] = [shift(), shift()];
    for (let y = Math.max(0, dy); y < Math.min(imageSide, imageSide + dy); y++)
      for (let x = Math.max(0, dx); x < Math.min(imageSide, imageSide + dx); x++) {
        const patch = Math.floor(y / patchSide) * perSide + Math.floor(x / patchSide);
        const within = (y % patchSide) * patchSide + (x % patchSide);
        out[row * size + patch * patchPixels + within] =
          digits.pixels[image * size + (y - dy) * imageSide + (x - dx)];
      }
  });
  return out;
}

/** The digits of images in an order. */
export const labelsOf = (digits: Digits, order: Int32Array): Int32Array =>
  order.map((image) => digits.labels[image]);
