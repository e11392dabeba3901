// The one list of cases.
import type { Case } from './case.ts';
import { elementwiseCases } from './elementwise.ts';
import { reductionCases } from './reduction.ts';
import { structureCases } from './structure.ts';

/** Every case. */
export const cases: readonly Case[] = [...elementwiseCases, ...structureCases, ...reductionCases];
