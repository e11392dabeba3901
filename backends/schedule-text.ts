/** Schedules as text, for people: `compiled.asText()`. There is no parser. */
import { dtypeInfo } from '../core/dtype.ts';
import type { BufferSpec, Schedule, Step } from '../lowering/fuse/ir.ts';
import type { TensorType } from '../lowering/hlo/ir.ts';

const showType = ({ dtype, shape }: TensorType): string =>
  `${dtypeInfo[dtype].shortName}[${shape.join(',')}]`;
const name = (id: number): string => `%${id}`;
const names = (ids: readonly number[]): string => ids.map(name).join(', ');

function showBuffer({ role, type, index, slot }: BufferSpec, id: number): string {
  const where = role === 'temporary' ? (slot === undefined ? '' : ` slot ${slot}`) : ` ${index}`;
  return `${name(id)}: ${role}${where} ${showType(type)}`;
}

function showSteps(steps: readonly Step[], indent: string, lines: string[]): void {
  const inner = `${indent}  `;
  for (const step of steps)
    switch (step.kind) {
      case 'kernel':
        lines.push(`${indent}@${step.kernel.name}(${names(step.args)})`);
        break;
      case 'host': {
        const results = step.results.length === 0 ? '' : `${names(step.results)} = `;
        lines.push(
          `${indent}${results}host ${step.call.name} ${step.call.id}(${names(step.args)})`,
        );
        break;
      }
      case 'copy':
        lines.push(`${indent}${name(step.to)} = copy ${name(step.from)}`);
        break;
      case 'while': {
        const moves = step.carried.map((id, i) => `${name(id)} ← ${name(step.next[i])}`);
        const trips = step.trips === undefined ? '' : ` trips ${step.trips}`;
        lines.push(
          `${indent}while ${name(step.predicate)}${trips} (${moves.join(', ')})`,
          `${indent}cond {`,
        );
        showSteps(step.cond, inner, lines);
        lines.push(`${indent}} body {`);
        showSteps(step.body, inner, lines);
        lines.push(`${indent}}`);
        break;
      }
      case 'case':
        lines.push(`${indent}case ${name(step.index)} {`);
        step.branches.forEach((branch, i) => {
          lines.push(`${indent}${i}:`);
          showSteps(branch, inner, lines);
        });
        lines.push(`${indent}}`);
    }
}

/** Print a schedule: its buffers, steps and results. */
export function printSchedule(schedule: Schedule): string {
  const lines = [`schedule @${schedule.name} {`];
  for (const [id, spec] of schedule.buffers.entries()) lines.push(`  ${showBuffer(spec, id)}`);
  showSteps(schedule.steps, '  ', lines);
  lines.push(`  return ${names(schedule.outputs)}`, '}');
  return lines.join('\n');
}
