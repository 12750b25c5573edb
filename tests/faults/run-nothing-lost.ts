// `npm run nothing-lost -- --pushes 10000 [--seed 7]`: the test of nothing-lost.test.ts at the size that is asked for.
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { pushes: { type: 'string' }, seed: { type: 'string' } } });
if (values.pushes !== undefined) process.env.SHIPLOG_TEST_PUSHES = values.pushes;
if (values.seed !== undefined) process.env.SHIPLOG_TEST_SEED = values.seed;
await import('./nothing-lost.test.ts');
