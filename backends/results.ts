/** A check before compilation that all compiling devices share. */
import { dtypeInfo } from '../core/dtype.ts';
import { OutOfMemoryError } from '../core/errors.ts';
import { sizeOf } from '../core/shape.ts';
import type { HloModule } from '../lowering/hlo/ir.ts';

/**
 * Refuse a program with a result that the device can never hold. Memory refuses it too, but later: programs over huge arrays break rules
 * of kernels first, whose errors say nothing of the cause.
 *
 * @throws OutOfMemoryError naming the result.
 */
export function checkResults(module: HloModule, device: string, mostBytes: number): void {
  for (const { type } of module.functions[0].body.results) {
    const byteLength = sizeOf(type.shape) * dtypeInfo[type.dtype].byteLength;
    if (byteLength > mostBytes)
      throw new OutOfMemoryError(
        `${device}: an array must fit the memory of ${mostBytes} bytes; got a result ${type.dtype}[${type.shape.join(',')}] of ${byteLength} bytes. Work on smaller batches.`,
      );
  }
}
