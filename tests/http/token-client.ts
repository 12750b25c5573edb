import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { type Answer, header, type Sent, send, type Target } from './client.ts';

/** The parameters of a Bearer challenge; fails where it is another one, or not in the one form that clients read. */
export function challengeOf(answer: Answer): Readonly<Record<string, string>> {
  const challenge = header(answer, 'www-authenticate');
  assert.match(challenge, /^Bearer (?:[a-z]+="[^"\\]*")(?:,[a-z]+="[^"\\]*")*$/);
  const parameters = [...challenge.matchAll(/([a-z]+)="([^"]*)"/g)];
  return Object.fromEntries(parameters.map(([, name, value]) => [name, value]));
}

export interface TokenAnswer {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly refresh_token?: string;
  readonly scope?: string;
}

export interface Asked {
  /** `''` for anonymous, `user:password` for another than the administrator. */
  readonly as?: string;
  readonly scope?: readonly string[];
  readonly more?: Readonly<Record<string, string>>;
}

const service = 'harbor-registry';

/** A token by GET. */
export async function askToken(
  target: Target,
  { as, scope = [], more = {} }: Asked = {},
): Promise<TokenAnswer> {
  const query = new URLSearchParams({ service, ...more });
  for (const one of scope) query.append('scope', one);
  const answer = await send(target, 'GET', `/service/token?${query}`, as === undefined ? {} : { as });
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString());
}

/** What the token service answers to a form. */
export const postForm = (target: Target, form: Readonly<Record<string, string>>, path = '/service/token') =>
  send(target, 'POST', path, {
    as: '',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ service, ...form }).toString(),
  });

/** A token of the administrator's, or of whom `as` says, for one repository. */
export const tokenFor = async (target: Target, repository: string, actions: string, as?: string) =>
  (
    await askToken(target, {
      ...(as !== undefined && { as }),
      scope: [`repository:${repository}:${actions}`],
    })
  ).token;

export const bearer = (token: string): Sent => ({ as: '', headers: { authorization: `Bearer ${token}` } });

/** What a token gives, as a map from resource to actions. */
export const accessOf = (token: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (decodeJwt(token).access as { type: string; name: string; actions: string[] }[]).map(
      ({ type, name, actions }) => [`${type}:${name}`, actions.join(',')],
    ),
  );
