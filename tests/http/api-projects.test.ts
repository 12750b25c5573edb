import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { projectStream } from '../../domain/project/events.ts';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header, mediaTypes, pushImage, putManifest, refusalOf, send } from './client.ts';
import { openLogOf } from './server-log.ts';

const server = await startServer({ after });
for (const name of ['owner', 'dev', 'stranger']) await createUser(server, name);

const namesOf = (answer: Parameters<typeof json>[0]): string[] =>
  json(answer).map(({ name }: { name: string }) => name);

test('a user creates a project and is its administrator', async () => {
  const answer = await ask(server, 'POST', '/projects', { as: 'owner', body: { project_name: 'own' } });
  assert.equal(answer.status, 201);
  const id = createdId(answer);
  assert.equal(header(answer, 'location'), `${api}/projects/${id}`);
  const { creation_time, update_time, owner_id, cve_allowlist, ...project } = json(
    await ask(server, 'GET', `/projects/${id}`, { as: 'owner' }),
  );
  assert.match(creation_time, /^\d{4}-.*\.\d{3}Z$/);
  assert.ok(owner_id >= 3 && update_time === creation_time);
  assert.deepEqual(project, {
    project_id: id,
    name: 'own',
    owner_name: 'owner',
    deleted: false,
    togglable: true,
    current_user_role_id: 1,
    current_user_role_ids: [1],
    repo_count: 0,
    metadata: { public: 'false' },
  });
  const { id: _, ...allowlist } = cve_allowlist;
  assert.deepEqual(allowlist, { project_id: id, items: [], creation_time, update_time });
});

test('the first project has the number 1, is public, and belongs to the administrator', async () => {
  const { project_id, metadata, owner_name, current_user_role_id } = json(
    await ask(server, 'GET', '/projects/library'),
  );
  assert.deepEqual(
    [project_id, metadata, owner_name, current_user_role_id],
    [1, { public: 'true' }, 'admin', 1],
  );
});

test('a location ends in the name where the client asks for it', async () => {
  const headers = { 'x-resource-name-in-location': 'true' };
  const answer = await ask(server, 'POST', '/projects', { headers, body: { project_name: 'located' } });
  assert.equal(header(answer, 'location'), `${api}/projects/located`);
});

test('a name that is a number is found with the header alone', async () => {
  const id = await createProject(server, '4711');
  assert.equal((await ask(server, 'GET', '/projects/4711')).status, 404);
  const headers = { 'x-is-resource-name': 'true' };
  assert.equal(json(await ask(server, 'GET', '/projects/4711', { headers })).project_id, id);
  assert.equal((await ask(server, 'GET', `/projects/${id}`, { headers })).status, 404);
  assert.equal(
    (await ask(server, 'GET', '/projects/library', { headers: { 'x-is-resource-name': 'x' } })).status,
    422,
  );
});

for (const [fault, body] of Object.entries({
  'no name': {},
  'an empty name': { project_name: '' },
  'a name of 256 characters': { project_name: 'x'.repeat(256) },
  'a name with capitals': { project_name: 'Team' },
  'a name with a slash': { project_name: 'a/b' },
  'a name with a NUL': { project_name: 'a\0b' },
  'a name with two underscores': { project_name: 'a__b' },
  'a public state that is none': { project_name: 'bad-public', metadata: { public: 'maybe' } },
  'a severity that is none': { project_name: 'bad-severity', metadata: { severity: 'awful' } },
  'a registry that there is not': { project_name: 'bad-registry', registry_id: 1 },
  'a retention policy': { project_name: 'bad-retention', metadata: { retention_id: '1' } },
  'a negative limit': { project_name: 'bad-limit', storage_limit: -2 },
  'a limit of more than a pebibyte': { project_name: 'bad-limit', storage_limit: 2 ** 50 + 1 },
})) {
  test(`a project with ${fault} is refused with 400`, async () => {
    const answer = await ask(server, 'POST', '/projects', { body });
    assert.deepEqual([answer.status, faultOf(answer).code], [400, 'BAD_REQUEST']);
  });
}

test('a name is taken once, also by many at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => ask(server, 'POST', '/projects', { body: { project_name: 'raced' } })),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
});

test('settings are merged, in the form in which Harbor keeps them', async () => {
  const settings = { public: 'TRUE', auto_scan: 'True', severity: 'Negligible', unknown: 'x' };
  await ask(server, 'POST', '/projects', {
    body: { project_name: 'set', public: false, metadata: settings },
  });
  const metadata = async () => json(await ask(server, 'GET', '/projects/set')).metadata;
  assert.deepEqual(await metadata(), { public: 'true', auto_scan: 'true', severity: 'none' });
  const change = { prevent_vul: 'true', auto_scan: null, severity: 'high' };
  const answer = await ask(server, 'PUT', '/projects/set', { body: { public: false, metadata: change } });
  assert.deepEqual([answer.status, answer.body.length], [200, 0]);
  assert.deepEqual(await metadata(), {
    public: 'true',
    auto_scan: 'true',
    prevent_vul: 'true',
    severity: 'high',
  });
});

test('a project that becomes public can be pulled from by anybody, until it is private again', async () => {
  await createProject(server, 'toggled');
  await pushImage(server, 'toggled/app', '1.0');
  const pull = async () => (await send(server, 'GET', '/v2/toggled/app/manifests/1.0', { as: '' })).status;
  assert.equal(await pull(), 401);
  await ask(server, 'PUT', '/projects/toggled', { body: { metadata: { public: 'true' } } });
  assert.equal(await pull(), 200);
  await ask(server, 'PUT', '/projects/toggled', { body: { metadata: { public: 'false' } } });
  assert.equal(await pull(), 401);
});

test('what a role may do with a project is what the matrix says', async () => {
  await createProject(server, 'roles');
  const roles = ['projectAdmin', 'maintainer', 'developer', 'guest', 'limitedGuest'] as const;
  for (const role of roles) {
    await createUser(server, `as-${role.toLowerCase()}`);
    await addMember(server, 'roles', `as-${role.toLowerCase()}`, role);
  }
  for (const [who, read, change] of [
    ['', 401, 401],
    ['stranger', 403, 403],
    ['as-limitedguest', 200, 403],
    ['as-guest', 200, 403],
    ['as-developer', 200, 403],
    ['as-maintainer', 200, 403],
    ['as-projectadmin', 200, 200],
  ] as const) {
    assert.equal((await ask(server, 'GET', '/projects/roles', { as: who })).status, read, who);
    const put = await ask(server, 'PUT', '/projects/roles', { as: who, body: { metadata: {} } });
    assert.equal(put.status, change, who);
    if (change !== 200)
      assert.equal((await ask(server, 'DELETE', '/projects/roles', { as: who })).status, change);
  }
  assert.equal((await ask(server, 'DELETE', '/projects/roles', { as: 'as-projectadmin' })).status, 200);
});

test('a role decides over pushes and pulls from the moment on when it is given, and until it is taken', async () => {
  await createProject(server, 'working');
  const push = async () =>
    (await send(server, 'POST', '/v2/working/app/blobs/uploads/', { as: 'dev:Passw0rd-of-a-test' })).status;
  const pull = async () =>
    (await send(server, 'GET', '/v2/working/app/tags/list', { as: 'dev:Passw0rd-of-a-test' })).status;
  assert.deepEqual([await push(), await pull()], [403, 403]);
  const member = await addMember(server, 'working', 'dev', 'guest');
  assert.deepEqual([await push(), await pull()], [403, 404]);
  await ask(server, 'PUT', `/projects/working/members/${member}`, { body: { role_id: 2 } });
  assert.deepEqual([await push(), await pull()], [202, 404]);
  await ask(server, 'DELETE', `/projects/working/members/${member}`);
  assert.deepEqual([await push(), await pull()], [403, 403]);
});

test('a private project looks to strangers like one that does not exist', async () => {
  await createProject(server, 'hidden');
  for (const as of ['', 'stranger'])
    for (const method of ['GET', 'DELETE'])
      for (const path of ['/projects/%', '/projects/%/members']) {
        const [hidden, missing] = await Promise.all(
          ['hidden', 'missing'].map((name) => ask(server, method, path.replace('%', name), { as })),
        );
        assert.deepEqual([hidden?.status, hidden?.body], [missing?.status, missing?.body]);
      }
  const missing = await ask(server, 'GET', '/projects/missing');
  assert.deepEqual(
    [missing.status, faultOf(missing)],
    [404, { code: 'NOT_FOUND', message: 'project missing not found' }],
  );
});

test('a list shows each what he may see', async () => {
  await createProject(server, 'seen-public', true);
  await createProject(server, 'seen-private');
  await createProject(server, 'seen-member');
  await createUser(server, 'viewer');
  await addMember(server, 'seen-member', 'viewer', 'guest');
  const seen = async (as: string | undefined, query = '') =>
    namesOf(
      await ask(server, 'GET', `/projects?name=SEEN-&page_size=100${query}`, as === undefined ? {} : { as }),
    );
  assert.deepEqual(await seen(undefined), ['seen-member', 'seen-private', 'seen-public']);
  assert.deepEqual(await seen(''), ['seen-public']);
  assert.deepEqual(await seen('viewer:wrong'), ['seen-public']);
  assert.deepEqual(await seen('', '&public=false'), []);
  assert.deepEqual(await seen('viewer'), ['seen-member', 'seen-public']);
  assert.deepEqual(await seen('viewer', '&public=false'), ['seen-member']);
  assert.deepEqual(await seen('viewer', '&public=true'), ['seen-public']);
  const [first] = json(await ask(server, 'GET', '/projects?q=name=seen-member', { as: 'viewer' }));
  assert.deepEqual([first.current_user_role_id, first.togglable, first.metadata.public], [3, false, 'false']);
});

test('a project tells how many repositories it holds, and is not deleted while there are any', async () => {
  const id = await createProject(server, 'full');
  await createProject(server, 'full0');
  await createProject(server, 'full-er');
  await pushImage(server, 'full/a', '1.0');
  await pushImage(server, 'full/b/c', '1.0');
  await pushImage(server, 'full-er/a', '1.0');
  const [project] = json(await ask(server, 'GET', '/projects?q=name=full'));
  assert.equal(project.repo_count, 2);
  assert.equal(json(await ask(server, 'GET', '/projects/full0')).repo_count, 0);
  assert.equal(json(await ask(server, 'GET', '/projects/full/_deletable')).deletable, false);
  const answer = await ask(server, 'DELETE', `/projects/${id}`);
  assert.deepEqual([answer.status, faultOf(answer).code], [412, 'PRECONDITION']);
  assert.equal((await ask(server, 'GET', '/projects/full')).status, 200);
});

test('a project whose repositories were emptied can be deleted', async () => {
  await createProject(server, 'emptied');
  const { digest } = await pushImage(server, 'emptied/app', '1.0');
  assert.equal((await ask(server, 'DELETE', '/projects/emptied')).status, 412);
  assert.equal((await send(server, 'DELETE', `/v2/emptied/app/manifests/${digest}`)).status, 202);
  assert.equal((await ask(server, 'DELETE', '/projects/emptied')).status, 200);
});

test('in a project that allows no sparse indexes, an index needs all its children', async () => {
  await createProject(server, 'strict');
  const child = await pushImage(server, 'strict/app', 'child');
  const elsewhere = await pushImage(server, 'library/elsewhere', 'child', 'elsewhere');
  const push = ({ digest, manifest }: { digest: string; manifest: string }) => {
    const manifests = [{ mediaType: mediaTypes.image, digest, size: manifest.length }];
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
    return putManifest(server, 'strict/app', 'index', index, mediaTypes.index);
  };
  const set = (sparse_indexes: string) =>
    ask(server, 'PUT', '/projects/strict', { body: { metadata: { sparse_indexes } } });

  assert.equal((await set('false')).status, 200);
  const refused = await push(elsewhere);
  assert.deepEqual(refusalOf(refused), [400, 'MANIFEST_BLOB_UNKNOWN']);
  assert.deepEqual(JSON.parse(refused.body.toString()).errors[0].detail, { digest: elsewhere.digest });
  assert.equal((await push(child)).status, 201);
  assert.equal((await set('true')).status, 200);
  assert.equal((await push(elsewhere)).status, 201);
});

test('a deleted project takes its members along, and the next one of its name has another number', async () => {
  const id = await createProject(server, 'reborn');
  await addMember(server, 'reborn', 'dev', 'maintainer');
  assert.equal((await ask(server, 'DELETE', '/projects/reborn')).status, 200);
  assert.equal((await ask(server, 'GET', '/projects/reborn')).status, 404);
  const again = await createProject(server, 'reborn');
  assert.ok(again > id);
  assert.equal((await ask(server, 'GET', '/projects/reborn', { as: 'dev' })).status, 403);
  assert.equal((await ask(server, 'GET', `/projects/${id}`)).status, 404);
  assert.equal(json(await ask(server, 'GET', '/projects/reborn/members')).length, 1);
});

test('whether a name is taken can be asked by who is logged in', async () => {
  const statusOf = async (query: string, as?: string) =>
    (await ask(server, 'HEAD', `/projects${query}`, as === undefined ? {} : { as })).status;
  assert.equal(await statusOf('?project_name=library', 'dev'), 200);
  assert.equal(await statusOf('?project_name=nothing', 'dev'), 404);
  assert.equal(await statusOf('?project_name=library', ''), 401);
  assert.equal(await statusOf('', 'dev'), 422);
});

test('nobody creates a project without logging in', async () => {
  const answer = await ask(server, 'POST', '/projects', { as: '', body: { project_name: 'anonymous' } });
  assert.deepEqual([answer.status, faultOf(answer).code], [401, 'UNAUTHORIZED']);
});

test('how much a project may hold is asked for by administrators, and passed over where others ask', async (t) => {
  const create = async (project_name: string, storage_limit: unknown, as?: string) =>
    (
      await ask(server, 'POST', '/projects', {
        body: { project_name, storage_limit },
        ...(as !== undefined && { as }),
      })
    ).status;
  for (const [index, limit] of [-1, 1, 2 ** 50, 0, null].entries())
    assert.equal(await create(`limit-${index}`, limit), 201, `${limit}`);
  assert.equal(await create('limit-of-owner', -2, 'owner'), 201);
  const log = await openLogOf(t, server);
  const limitOf = async (name: string) => {
    const [created] = (await log.readStream(projectStream(name))).events;
    assert.equal(created?.type, 'ProjectCreated');
    return (created?.data as { storageLimit?: number | null } | undefined)?.storageLimit;
  };
  const kept = ['limit-0', 'limit-2', 'limit-3', 'limit-of-owner'].map(limitOf);
  assert.deepEqual(await Promise.all(kept), [-1, 2 ** 50, -1, -1]);
  assert.equal(await create('limit-text', '1GB'), 422);
});

test('who may not create projects for the system makes no cache of another registry', async () => {
  const body = { project_name: 'cache', registry_id: 1 };
  const answer = await ask(server, 'POST', '/projects', { as: 'owner', body });
  assert.deepEqual(
    [answer.status, faultOf(answer).message],
    [403, 'Only system admin can create proxy cache project'],
  );
});

test('settings of caches are dropped from other projects, and flags are read as Harbor reads them', async () => {
  const settings = {
    proxy_speed_kb: '100',
    max_upstream_conn: '3',
    proxy_cache_filter_pattern: '**',
    proxy_cache_filter_kind: 'regex',
    proxy_referrer_api: '1',
    auto_sbom_generation: 'F',
  };
  const create = await ask(server, 'POST', '/projects', {
    body: { project_name: 'no-cache', metadata: settings },
  });
  assert.equal(create.status, 201);
  const metadata = async () => json(await ask(server, 'GET', '/projects/no-cache')).metadata;
  const kept = { public: 'false', proxy_referrer_api: 'true', auto_sbom_generation: 'false' };
  assert.deepEqual(await metadata(), kept);
  await ask(server, 'PUT', '/projects/no-cache', { body: { metadata: settings } });
  assert.deepEqual(await metadata(), kept);
});

test('a list without details leaves settings, allowed vulnerabilities and owners out', async () => {
  const [project] = json(await ask(server, 'GET', '/projects?q=name=library&with_detail=false'));
  assert.deepEqual(
    ['metadata', 'cve_allowlist', 'owner_name'].filter((key) => key in project),
    [],
  );
  assert.equal(project.name, 'library');
  assert.equal((await ask(server, 'GET', '/projects?with_detail=maybe')).status, 422);
});

test('a summary counts repositories, and members and what is stored for who may see them', async () => {
  await createProject(server, 'summed', true);
  for (const [index, role] of (['guest', 'guest', 'developer', 'limitedGuest'] as const).entries()) {
    await createUser(server, `summed-${index}`);
    await addMember(server, 'summed', `summed-${index}`, role);
  }
  const { manifest, blob } = await pushImage(server, 'summed/app', '1.0');
  const summary = async (as?: string) =>
    json(await ask(server, 'GET', '/projects/summed/summary', as === undefined ? {} : { as }));
  const counted = {
    repo_count: 1,
    project_admin_count: 1,
    maintainer_count: 0,
    developer_count: 1,
    guest_count: 2,
    limited_guest_count: 1,
    quota: { hard: { storage: -1 }, used: { storage: Buffer.byteLength(manifest) + blob.size } },
  };
  assert.deepEqual(await summary(), counted);
  assert.deepEqual(await summary('summed-0'), counted);
  for (const as of ['', 'stranger']) assert.deepEqual(await summary(as), { repo_count: 1 }, as);
  // A guest of whatever kind sees what the project may hold, which is one manifest and its blob.
  const { quota } = counted;
  assert.deepEqual(await summary('summed-3'), { repo_count: 1, quota });
  await createProject(server, 'summed-private');
  const path = '/projects/summed-private/summary';
  assert.equal((await ask(server, 'GET', path, { as: 'stranger' })).status, 403);
  assert.equal((await ask(server, 'GET', path, { as: '' })).status, 401);
});

test('a project chooses a scanner, whether or not there is one, and has none for now', async () => {
  await createProject(server, 'scanned', true);
  await addMember(server, 'scanned', 'dev', 'developer');
  const path = '/projects/scanned/scanner';
  const none = await ask(server, 'GET', path, { as: 'stranger' });
  assert.deepEqual([none.status, none.body.length], [200, 0]);
  assert.equal((await ask(server, 'GET', path, { as: '' })).status, 401);
  const candidates = await ask(server, 'GET', `${path}/candidates`);
  assert.deepEqual([json(candidates), candidates.headers['x-total-count']], [[], '0']);
  assert.equal((await ask(server, 'GET', `${path}/candidates`, { as: 'dev' })).status, 403);

  const choose = async (body: unknown, as?: string) =>
    (await ask(server, 'PUT', path, { body, ...(as !== undefined && { as }) })).status;
  assert.equal(await choose({ uuid: 'no-such-scanner' }), 200);
  const { projectScanner } = json(await ask(server, 'GET', '/projects/scanned/metadatas/'));
  assert.equal(projectScanner, 'no-such-scanner');
  const { metadata } = json(await ask(server, 'GET', '/projects/scanned'));
  assert.deepEqual(metadata, { public: 'true' }, 'it is no setting that a project is shown with');
  assert.equal(await choose({ uuid: 'x' }, 'dev'), 403);
  assert.equal(await choose({}), 422);
  assert.equal(await choose(undefined), 422);
  for (const uuid of ['', 'a\0b', 'x'.repeat(256)]) assert.equal(await choose({ uuid }), 400);
});

test('a robot of a project creates none, and one of the system where it was given that', async () => {
  const robot = async (body: object) => {
    const { name, secret } = json(await ask(server, 'POST', '/robots', { body }));
    return `${name}:${secret}`;
  };
  const access = (resource: string, action: string) => [{ resource, action }];
  const pulling = { kind: 'project', namespace: 'library', access: access('repository', 'pull') };
  const inProject = await robot({ name: 'p', level: 'project', duration: 1, permissions: [pulling] });
  const inSystem = await robot({ name: 's', level: 'system', duration: 1, permissions: [pulling] });
  const creating = { kind: 'system', namespace: '/', access: access('project', 'create') };
  const creator = await robot({ name: 'c', level: 'system', duration: 1, permissions: [pulling, creating] });
  const create = (as: string) => ask(server, 'POST', '/projects', { as, body: { project_name: 'by-robot' } });
  for (const [as, message] of [
    [inProject, 'Only system level robot can create project'],
    [inSystem, 'Only system admin can create project'],
  ] as const) {
    const answer = await create(as);
    assert.deepEqual([answer.status, faultOf(answer).message], [403, message]);
  }
  assert.equal((await create(creator)).status, 201);
  const { owner_name } = json(await ask(server, 'GET', '/projects/by-robot'));
  assert.equal(owner_name, 'admin');
  assert.deepEqual(namesOf(await ask(server, 'GET', '/projects?public=false', { as: inSystem })), []);
  const seen = namesOf(await ask(server, 'GET', '/projects?q=name=by-robot', { as: inSystem }));
  assert.deepEqual(seen, []);
});
