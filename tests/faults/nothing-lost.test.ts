import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireTool } from '../tool.ts';
import { ledgerLine } from './ledger.ts';
import { nothingLost } from './nothing-lost.ts';

const pushes = Number(process.env.SHIPLOG_TEST_PUSHES ?? 300);

test('every event of every push reaches each subscriber once and in order, whoever is killed', async (t) => {
  const nats = requireTool(t, 'nats-server');
  if (nats === undefined) return;
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  const report = (line: string) => t.diagnostic(line);
  report(`SHIPLOG_TEST_SEED=${seed}`);
  const ledgers = await nothingLost(t, { pushes, seed, nats, report });
  for (const ledger of ledgers) report(ledgerLine(ledger));
  for (const { subscriber, missing, outOfOrder, unknown, duplicates } of ledgers) {
    assert.deepEqual({ missing, outOfOrder, unknown }, { missing: 0, outOfOrder: 0, unknown: 0 }, subscriber);
    // The others may be told again what they have not acknowledged, under the same id; no stream holds anything twice.
    if (['SSE', 'NATS'].includes(subscriber)) assert.equal(duplicates, 0, subscriber);
  }
});
