import { test } from 'node:test';
import { startServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { passesTwice, suite } from './conformance.ts';

test('the conformance suite passes as a user, also again on the same repositories', async (t) => {
  const program = requireTool(t, suite);
  if (program === undefined) return;
  const server = await startServer(t);
  const { registry, password } = server;
  const user = { username: 'admin', password };

  for (const cacheAuth of [true, false]) {
    const how = cacheAuth ? 'kept' : 'fresh';
    await t.test(`with tokens that are ${cacheAuth ? 'kept' : 'asked for each time'}`, (t) =>
      passesTwice(t, program, {
        registry,
        repositories: [`library/${how}-1`, `library/${how}/2`],
        user,
        cacheAuth,
      }),
    );
  }
});
