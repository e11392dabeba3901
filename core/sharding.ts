/** How the elements of an array lie over devices: all of them on one, or as a spec over a mesh says (`mesh.ts`). */
import type { Device } from './backend.ts';
import type { Shape } from './shape.ts';

/** Where the elements of an array lie. */
export interface Sharding {
  /** Whether every device has the whole array. */
  readonly isFullyReplicated: boolean;
  /** The shape of the block that each device has of an array of this shape. */
  shardShape(shape: Shape): Shape;
  /** Whether an array of `ndim` axes lies the same way under both. */
  isEquivalentTo(other: Sharding, ndim: number): boolean;
  toString(): string;
}

/** The whole array on one device. */
export class SingleDeviceSharding implements Sharding {
  readonly device: Device;

  constructor(device: Device) {
    this.device = device;
  }

  /** True: there is one device, and it has the whole array. */
  get isFullyReplicated(): boolean {
    return true;
  }

  /** The shape itself. */
  shardShape(shape: Shape): Shape {
    return shape;
  }

  /** Whether the other one is of the same device. */
  isEquivalentTo(other: Sharding): boolean {
    return other instanceof SingleDeviceSharding && other.device === this.device;
  }

  /** The key under which caches know this sharding. */
  structuralKey(): string {
    return `SingleDeviceSharding ${this.device.kind}:${this.device.id}`;
  }

  /** As `SingleDeviceSharding(wasm:0)`. */
  toString(): string {
    return `SingleDeviceSharding(${this.device.kind}:${this.device.id})`;
  }
}
