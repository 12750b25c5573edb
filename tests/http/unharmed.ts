import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scope, TestServer } from '../server.ts';
import { decidedSince, openLogOf } from './server-log.ts';

/**
 * Remembers the event log and the process of `server`; the function that it returns adds the test that closes a file
 * of hostile requests.
 */
export async function watchOver(scope: Scope, server: TestServer): Promise<() => void> {
  const log = await openLogOf(scope, server);
  const head = await log.head();
  const pid = server.pid();
  return () =>
    void test('afterwards the same process answers, nothing was recorded, and no fault of its own is in its log', async () => {
      assert.equal((await server.fetch('/readyz')).status, 200);
      assert.equal((await server.fetch('/v2/')).status, 200);
      process.kill(pid, 0);
      assert.deepEqual(await decidedSince(log, head), []);
      assert.deepEqual(
        server.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
        [],
      );
    });
}
