// Runs before each test file: gives fast-check the run's seed. PALLADIA_RUNS asks for more (or fewer) examples per property.
import fc from 'fast-check';

const numRuns = Number(process.env['PALLADIA_RUNS'] ?? 100);

fc.configureGlobal({ seed: Number(process.env['PALLADIA_SEED'] ?? 0), numRuns });
