import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, refusalOf, send } from './client.ts';
import { peopleOf } from './people.ts';
import { accessOf, askToken, bearer, challengeOf } from './token-client.ts';

const server = await startServer({ after }, { environment: { SHIPLOG_ANONYMOUS_WRITE: 'open,missing' } });
const people = await peopleOf({ after }, server);
await people.privateProject('open');
await people.privateProject('closed');
const upload = (project: string) => `/v2/${project}/app/blobs/uploads/`;

test('the server warns of every project that anybody may write to', () => {
  for (const project of ['open', 'missing'])
    assert.ok(
      server.lines.some(({ level, msg }) => level === 'warn' && msg?.includes(`the project ${project},`)),
    );
});

test('anybody pushes to and pulls from such a project without a token, also where it is private', async () => {
  const bytes = 'pushed by nobody';
  const path = `${upload('open')}?digest=${digestOf(bytes)}`;
  assert.equal((await send(server, 'POST', path, { as: '', body: bytes })).status, 201);
  assert.equal((await send(server, 'GET', `/v2/open/app/blobs/${digestOf(bytes)}`, { as: '' })).status, 200);
});

test('other projects stay as they are', async () => {
  for (const project of ['closed', 'library'])
    assert.equal((await send(server, 'POST', upload(project), { as: '' })).status, 401);
});

test('a project that does not exist is not made by being named', async () => {
  assert.equal((await send(server, 'POST', upload('missing'), { as: '' })).status, 401);
});

test('a client without credentials that asks for a token first gets one with which it pushes', async () => {
  const challenged = await send(server, 'GET', '/v2/', { as: '' });
  assert.equal(challenged.status, 401);
  assert.equal(challengeOf(challenged).service, 'harbor-registry');
  // As the conformance suite does it: Basic, with nothing before the colon and nothing after it.
  const { token } = await askToken(server, { as: ':', scope: ['repository:open/app:pull,push,delete'] });
  assert.deepEqual(accessOf(token), { 'repository:open/app': 'pull,push,delete' });
  assert.equal((await send(server, 'POST', upload('open'), bearer(token))).status, 202);
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
});

test('who shows wrong credentials is refused there as everywhere', async () => {
  const answer = await send(server, 'POST', upload('open'), { as: 'admin:wrong' });
  assert.deepEqual(refusalOf(answer), [401, 'UNAUTHORIZED']);
});
