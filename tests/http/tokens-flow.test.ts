import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { pushImage, refusalOf, send } from './client.ts';
import { askToken, bearer, challengeOf } from './token-client.ts';

const server = await startServer({ after });
const realm = `${server.url}/service/token`;
const admin = `admin:${server.password}`;
await pushImage(server, 'library/app', '1.0');

test('a client that is challenged gets a token and with it what it asked for', async () => {
  const challenged = await send(server, 'POST', '/v2/library/new/blobs/uploads/', { as: '' });
  assert.deepEqual(refusalOf(challenged), [401, 'UNAUTHORIZED']);
  const challenge = challengeOf(challenged);
  assert.deepEqual(challenge, {
    realm,
    service: 'harbor-registry',
    scope: 'repository:library/new:pull,push',
  });
  const { token } = await askToken(server, { as: admin, scope: [challenge.scope ?? ''] });
  const answer = await send(server, 'POST', '/v2/library/new/blobs/uploads/', bearer(token));
  assert.equal(answer.status, 202);
});
