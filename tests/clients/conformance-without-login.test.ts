import { test } from 'node:test';
import { createProject } from '../http/api-client.ts';
import { startServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { passesTwice, suite } from './conformance.ts';

test('the conformance suite passes without a login where anybody may write, also again on the same repositories', async (t) => {
  const program = requireTool(t, suite);
  if (program === undefined) return;
  const server = await startServer(t, { environment: { SHIPLOG_ANONYMOUS_WRITE: 'open' } });
  await createProject(server, 'open', true);
  await passesTwice(t, program, { registry: server.registry, repositories: ['open/1', 'open/deep/2'] });
});
