import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { type ConformanceRun, runConformance } from './conformance.ts';

const suite = 'oci-conformance';

for (const cacheAuth of [true, false]) {
  const tokens = cacheAuth ? 'kept' : 'asked for each time';
  test(`the conformance suite passes as a user whose tokens are ${tokens}, also again on the same repositories`, async (t) => {
    const program = requireTool(t, suite);
    if (program === undefined) return;
    const server = await startServer(t);
    const user = { username: 'admin', password: server.password };
    await passesTwice(t, program, { registry: server.registry, repositories, user, cacheAuth });
  });
}

test('the conformance suite passes without a login where anybody may write, also again on the same repositories', async (t) => {
  const program = requireTool(t, suite);
  if (program === undefined) return;
  const server = await startServer(t, { environment: { SHIPLOG_ANONYMOUS_WRITE: 'library' } });
  await passesTwice(t, program, { registry: server.registry, repositories });
});

const repositories = ['library/conformance-1', 'library/conformance/2'] as const;

async function passesTwice(t: TestContext, program: string, run: ConformanceRun): Promise<void> {
  for (const time of ['first', 'second']) {
    await t.test(`the ${time} time`, async () => {
      const { counts, notPassed, faults } = await runConformance(program, run);
      assert.deepEqual(
        faults.slice(0, 20),
        [],
        `${JSON.stringify(counts)}\n${faults.slice(0, 20).join('\n')}`,
      );
      assert.deepEqual(notPassed, { 'Sparse Manifests': 'Disabled' });
      assert.equal(counts.Pass, counts.Total, JSON.stringify(counts));
      // What it runs by default; fewer would mean that it was told less than it thinks.
      assert.ok((counts.Total ?? 0) >= 900, JSON.stringify(counts));
    });
  }
}
