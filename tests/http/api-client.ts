import assert from 'node:assert/strict';
import { requireDocumented } from './api-document.ts';
import { type Answer, header, type Sent, send, type Target } from './client.ts';

/** Strong enough for the rule, and the same for everybody. */
export const password = 'Passw0rd-of-a-test';

export const api = '/api/v2.0';

/**
 * One request to the management API, whose answer has to be one that the API's document has; `as` is a user of the tests, `''` anonymous, and without it the administrator.
 */
export async function ask(
  target: Target,
  method: string,
  path: string,
  {
    as,
    body,
    headers,
  }: { readonly as?: string; readonly body?: unknown; readonly headers?: Sent['headers'] } = {},
): Promise<Answer> {
  const url = path.startsWith('/api') ? path : `${api}${path}`;
  const answer = await send(target, method, url, {
    ...(as !== undefined && { as: as === '' || as.includes(':') ? as : `${as}:${password}` }),
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  });
  await requireDocumented(target, method, url, answer);
  return answer;
}

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about.
export const json = ({ body }: Answer): any => JSON.parse(body.toString());

/** The code and message of a refusal. */
export const faultOf = (answer: Answer): { readonly code: string; readonly message: string } =>
  json(answer).errors[0];

/** The id at the end of the Location of an answer with the status 201. */
export function createdId(answer: Answer): number {
  assert.equal(answer.status, 201, answer.body.toString());
  return Number(header(answer, 'location').split('/').at(-1));
}

export const personOf = (username: string) => ({
  username,
  email: `${username}@example.com`,
  realname: `The ${username}`,
  comment: 'of a test',
  password,
});

export const createUser = async (target: Target, username: string): Promise<number> =>
  createdId(await ask(target, 'POST', '/users', { body: personOf(username) }));

export const createProject = async (target: Target, name: string, isPublic = false): Promise<number> =>
  createdId(
    await ask(target, 'POST', '/projects', {
      body: { project_name: name, metadata: { public: String(isPublic) } },
    }),
  );

export const roleIds = { projectAdmin: 1, developer: 2, guest: 3, maintainer: 4, limitedGuest: 5 } as const;

export const addMember = async (
  target: Target,
  project: string,
  username: string,
  role: keyof typeof roleIds,
): Promise<number> =>
  createdId(
    await ask(target, 'POST', `/projects/${project}/members`, {
      body: { role_id: roleIds[role], member_user: { username } },
    }),
  );
