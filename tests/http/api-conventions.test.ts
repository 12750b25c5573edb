import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json } from './api-client.ts';
import { codesOf, refusalOf, send } from './client.ts';

const server = await startServer({ after });
for (let n = 0; n < 25; n++) await createProject(server, `p${String(n).padStart(2, '0')}`);
await createUser(server, 'dev');
const projectId = await createProject(server, 'team');
await addMember(server, 'team', 'dev', 'guest');

const page = async (query: string) => {
  const answer = await ask(server, 'GET', `/projects?name=p${query}`);
  assert.equal(answer.status, 200, answer.body.toString());
  return {
    names: json(answer).map(({ name }: { name: string }) => name) as string[],
    total: answer.headers['x-total-count'],
    link: answer.headers.link,
  };
};

test('a list comes in pages of ten, with the total and links to the pages beside', async () => {
  const first = await page('');
  assert.deepEqual([first.names.length, first.total], [10, '25']);
  assert.equal(first.link, '</api/v2.0/projects?name=p&page=2&page_size=10>; rel="next"');
  const second = await page('&page=2');
  assert.equal(
    second.link,
    '</api/v2.0/projects?name=p&page=1&page_size=10>; rel="prev" , </api/v2.0/projects?name=p&page=3&page_size=10>; rel="next"',
  );
  const third = await page('&page=3');
  assert.deepEqual(
    [third.names.length, third.link],
    [5, '</api/v2.0/projects?name=p&page=2&page_size=10>; rel="prev"'],
  );
  assert.deepEqual(
    [...first.names, ...second.names, ...third.names].toSorted(),
    (await page('&page_size=0')).names,
  );
});

test('a page past the end is empty, and a size of 0 means everything', async () => {
  assert.deepEqual(await page('&page=9'), { names: [], total: '25', link: undefined });
  const everything = await page('&page=0&page_size=0');
  assert.deepEqual([everything.names.length, everything.link], [25, undefined]);
  const zeroth = await page('&page=0&page_size=5');
  assert.deepEqual(zeroth.names, ['p00', 'p01', 'p02', 'p03', 'p04']);
  assert.match(zeroth.link as string, /page=1&page_size=5>; rel="next"/);
  assert.equal((await page('&page=999999999')).names.length, 0);
});

test('empty parameters are as if they were not there', async () => {
  assert.deepEqual(await page('&page=&page_size=&q=&sort=&public='), {
    ...(await page('')),
    link: '</api/v2.0/projects?name=p&page=2&page_size=10&public=&q=&sort=>; rel="next"',
  });
});

for (const query of [
  'page_size=101',
  'page_size=-1',
  'page=-1',
  'page=x',
  'page_size=1.5',
  'page=99999999999999999999',
]) {
  test(`${query} is refused with 422`, async () => {
    const answer = await ask(server, 'GET', `/projects?${query}`);
    assert.deepEqual(refusalOf(answer), [422, 'UNPROCESSABLE_ENTITY']);
    assert.match(faultOf(answer).message, /^validation failure list:\npage/);
  });
}

test('a link holds nothing that could end it or the header', async () => {
  const evil = encodeURIComponent('p\r\nset-cookie: a=b>; rel="x"☃');
  const answer = await ask(server, 'GET', `/projects?page_size=1&sort=${evil}`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['set-cookie'], undefined);
  assert.equal((answer.headers.link as string).match(/>/g)?.length, 1);
});

const found = async (q: string, more = '') =>
  json(await ask(server, 'GET', `/projects?page_size=100&q=${encodeURIComponent(q)}${more}`)).map(
    ({ name }: { name: string }) => name,
  );

test('q finds exactly, by a part, one of several, and a range', async () => {
  assert.deepEqual(await found('name=p03'), ['p03']);
  assert.deepEqual(await found('name=p0'), []);
  assert.deepEqual(await found('name=~P2'), ['p20', 'p21', 'p22', 'p23', 'p24']);
  assert.deepEqual(await found('name=~%'), []);
  assert.deepEqual(await found('name={p01 p02 nothing}'), ['p01', 'p02']);
  assert.deepEqual(await found('name=[p03~p05]'), ['p03', 'p04', 'p05']);
  assert.deepEqual(await found('name=[p23~],name=~p'), ['p23', 'p24']);
  assert.deepEqual(await found(`ProjectID=${projectId}`), ['team']);
  assert.deepEqual(await found(`project_id__gte=${projectId}`), ['team']);
  assert.deepEqual(await found('name__gt=p03,name__lt=p06'), ['p04', 'p05']);
  assert.deepEqual(await found('name__exact=p03'), ['p03']);
  assert.deepEqual(await found('name__in={p03 p04}'), ['p03', 'p04']);
  assert.deepEqual(await found('name__unlike=p03,name=p04'), ['p04']);
  assert.deepEqual(await found('name=\\~p03'), []);
  assert.deepEqual(await found(`project_id={${projectId} 1}`), ['library', 'team']);
});

test('q is decoded twice, keys that nobody knows mean nothing, and no value breaks the query', async () => {
  assert.deepEqual(await found(encodeURIComponent('name=p03')), ['p03']);
  assert.deepEqual(await found('name=p03,color=red,password=x'), ['p03']);
  assert.deepEqual(await found('project_id=abc'), []);
  assert.deepEqual(await found('project_id=99999999999999999999'), []);
  assert.deepEqual(await found("name=' OR 1=1 --"), []);
  assert.deepEqual(await found('creation_time=[yesterday~]'), []);
  assert.deepEqual(await found('creation_time=[-100000-01-01T00:00:00Z~]'), []);
  assert.deepEqual(await found('public=perhaps'), []);
  assert.deepEqual(await found('constructor=x,__proto__=y,name=p03'), ['p03']);
});

for (const q of [
  'name',
  '=p03',
  'name=',
  'name=[~]',
  'name=[""~""]',
  'name=[p03',
  'name={}',
  'name={a',
  'name=(a b)',
]) {
  test(`q=${q} is refused with 400`, async () => {
    assert.deepEqual(refusalOf(await ask(server, 'GET', `/projects?q=${encodeURIComponent(q)}`)), [
      400,
      'BAD_REQUEST',
    ]);
  });
}

test('sort takes several fields, and ignores those that it does not know', async () => {
  assert.deepEqual(await found('name=~p2', '&sort=-name'), ['p24', 'p23', 'p22', 'p21', 'p20']);
  assert.deepEqual(await found('name=~p2', '&sort=color,-project_id,name'), [
    'p24',
    'p23',
    'p22',
    'p21',
    'p20',
  ]);
  assert.deepEqual(await found('name=~p2', `&sort=${encodeURIComponent('name;drop table')}`), [
    'p20',
    'p21',
    'p22',
    'p23',
    'p24',
  ]);
});

for (const query of [
  'q=%zz',
  'name=a;b',
  'name=%00',
  'q=name%3D%2500',
  'q=name=~%2525%2500',
  'q=name%3D%25%30%30',
])
  test(`the query ${query} is refused with 400`, async () => {
    assert.deepEqual(refusalOf(await ask(server, 'GET', `/projects?${query}`)), [400, 'BAD_REQUEST']);
  });

const bodies: readonly (readonly [string, string, number, string])[] = [
  ['nothing', '', 422, 'UNPROCESSABLE_ENTITY'],
  ['half of JSON', '{"project_name":', 422, 'UNPROCESSABLE_ENTITY'],
  ['a list', '[]', 422, 'UNPROCESSABLE_ENTITY'],
  ['a text', '"name"', 422, 'UNPROCESSABLE_ENTITY'],
  ['a number for a name', '{"project_name":1}', 422, 'UNPROCESSABLE_ENTITY'],
  ['null, which counts as an empty object', 'null', 400, 'BAD_REQUEST'],
  ['more than a mebibyte', `{"project_name":"${'x'.repeat(1024 * 1024)}"}`, 413, 'REQUEST_ENTITY_TOO_LARGE'],
];
for (const [what, body, status, code] of bodies) {
  test(`a body of ${what} is refused with ${status}`, async () => {
    assert.deepEqual(refusalOf(await ask(server, 'POST', '/projects', { body })), [status, code]);
  });
}

test('a body of another type than JSON is refused with 415, and one that is not UTF-8 with 422', async () => {
  const body = JSON.stringify({ project_name: 'typed' });
  const form = await ask(server, 'POST', '/projects', { body, headers: { 'content-type': 'text/plain' } });
  assert.equal(form.status, 415);
  const bytes = Buffer.concat([Buffer.from('{"project_name":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  const answer = await send(server, 'POST', '/api/v2.0/projects', { body: bytes });
  assert.equal(answer.status, 422);
});

test('bodies of requests that take none are ignored', async () => {
  for (const [method, status] of [
    ['GET', 200],
    ['DELETE', 404],
  ] as const)
    assert.equal(
      (await ask(server, method, method === 'GET' ? '/projects/team' : '/projects/none', { body: 'x' }))
        .status,
      status,
    );
});

test('a slash at the end of a path and two slashes for one change nothing', async () => {
  for (const path of [
    '/api/v2.0/projects/team/',
    '/api/v2.0//projects//team',
    '/api/v2.0/projects/team/?x=//',
  ])
    assert.equal(json(await ask(server, 'GET', path)).name, 'team', path);
});

test('a path that there is not is answered with 404, and a method that a path does not have with 405', async () => {
  for (const path of ['/nothing', '/projects/team/nothing', '/users/1/2/3']) {
    const answer = await ask(server, 'GET', path);
    assert.deepEqual(refusalOf(answer), [404, 'NOT_FOUND']);
    assert.equal(faultOf(answer).message, `path /api/v2.0${path} was not found`);
  }
  const answer = await ask(server, 'PATCH', '/projects/team');
  assert.deepEqual(refusalOf(answer), [405, 'METHOD_NOT_ALLOWED']);
  assert.equal(answer.headers.allow, 'DELETE, GET, PUT');
});

test('who shows wrong credentials is anybody: public answers are given, others refused with 401', async () => {
  for (const as of ['admin:wrong', 'nobody:x']) {
    assert.equal((await ask(server, 'GET', '/projects', { as })).status, 200);
    assert.deepEqual(codesOf(await ask(server, 'GET', '/users/current', { as })), ['UNAUTHORIZED']);
  }
});

test('the version, the ping and the description of the system are for everybody', async () => {
  assert.deepEqual(json(await ask(server, 'GET', '/api/version', { as: '' })), { version: 'v2.0' });
  assert.equal((await ask(server, 'GET', '/ping', { as: '' })).body.toString(), 'Pong');
  const anonymous = json(await ask(server, 'GET', '/systeminfo', { as: '' }));
  assert.deepEqual([anonymous.auth_mode, anonymous.read_only], ['db_auth', undefined]);
  assert.equal(json(await ask(server, 'GET', '/systeminfo', { as: 'dev' })).read_only, false);
});

test('the catalogue of permissions is for administrators, that of the system for those of the system', async () => {
  const all = json(await ask(server, 'GET', '/permissions'));
  assert.ok(all.system.length > 60 && all.project.length > 60);
  assert.equal((await ask(server, 'GET', '/permissions', { as: 'dev' })).status, 403);
  assert.equal((await ask(server, 'GET', '/permissions', { as: '' })).status, 401);
  await createUser(server, 'leader');
  await addMember(server, 'team', 'leader', 'projectAdmin');
  const some = json(await ask(server, 'GET', '/permissions', { as: 'leader' }));
  assert.deepEqual([some.system, some.project], [undefined, all.project]);
});

test('everybody can ask what he may do', async () => {
  const may = async (scope: string, more = '', as?: string) =>
    json(
      await ask(
        server,
        'GET',
        `/users/current/permissions?scope=${scope}${more}`,
        as === undefined ? {} : { as },
      ),
    ).map(({ resource, action }: { resource: string; action: string }) => `${resource} ${action}`);
  const scope = `/project/${projectId}`;
  const guest = await may(scope, '', 'dev');
  assert.equal(guest.length, 20);
  assert.ok(guest.includes(`${scope}/repository pull`) && guest.includes(`${scope} read`));
  const relative = await may(scope, '&relative=true', 'dev');
  assert.ok(relative.includes('repository pull') && relative.includes('. read'));
  assert.ok((await may(scope)).length > 75);
  assert.equal((await may('/project/1', '', 'dev')).length, 12);
  assert.ok((await may('/system')).includes('/system/user create'));
  assert.deepEqual(await may('/system', '', 'dev'), []);
  for (const unknown of ['', '/project/99999', '/project/x', 'team'])
    assert.deepEqual(await may(unknown), []);
});
