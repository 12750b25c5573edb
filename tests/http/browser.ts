import assert from 'node:assert/strict';
import { password } from './api-client.ts';
import { requireDocumented } from './api-document.ts';
import { type Answer, type Sent, send, type Target } from './client.ts';

/** What a browser sends of itself, and where the answers go. */
export interface Browser {
  /** By name; what a test changes here is sent. */
  readonly cookies: Map<string, string>;
  /** The last token against forgery that an answer had. */
  token(): string;
  /** One request with the cookies, and with the token where it changes something. */
  send(method: string, path: string, sent?: Sent): Promise<Answer>;
  /** The same for the management API, with a body of JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Sent['headers']): Promise<Answer>;
  logIn(username: string, withPassword?: string): Promise<Answer>;
}

const form = { 'content-type': 'application/x-www-form-urlencoded' };

/** A browser without any cookies, on one of the gateways or another as `at` says. */
export function openBrowser(target: Target | (() => Target), headers: Sent['headers'] = {}): Browser {
  const cookies = new Map<string, string>();
  let token = '';
  const at = (): Target => (typeof target === 'function' ? target() : target);

  async function ask(method: string, path: string, sent: Sent = {}): Promise<Answer> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await send(at(), method, path, {
      as: '',
      ...sent,
      headers: {
        ...headers,
        ...(cookie !== '' && { cookie }),
        ...(token !== '' && method !== 'GET' && { 'x-harbor-csrf-token': token }),
        ...sent.headers,
      },
    });
    for (const { name, value, isGone } of cookiesIn(answer))
      if (isGone) cookies.delete(name);
      else cookies.set(name, value);
    const given = answer.headers['x-harbor-csrf-token'];
    if (given !== undefined) token = String(given);
    return answer;
  }

  return {
    cookies,
    token: () => token,
    send: ask,
    async ask(method, path, body, more = {}) {
      const url = `/api/v2.0${path}`;
      const answer = await ask(method, url, {
        ...(body !== undefined && { body: JSON.stringify(body) }),
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...more },
      });
      await requireDocumented(at(), method, url, answer);
      return answer;
    },
    async logIn(username, withPassword = password) {
      // Any page gives the token.
      await ask('GET', '/');
      return ask('POST', '/c/login', { headers: form, body: formOf(username, withPassword) });
    },
  };
}

export const formOf = (principal: string, withPassword: string): string =>
  new URLSearchParams({ principal, password: withPassword }).toString();

/** A browser in which somebody has logged in. */
export async function loggedIn(
  target: Target | (() => Target),
  username: string,
  withPassword?: string,
  headers?: Sent['headers'],
): Promise<Browser> {
  const browser = openBrowser(target, headers);
  const answer = await browser.logIn(username, withPassword);
  assert.equal(answer.status, 200, answer.body.toString());
  return browser;
}

/** The cookies that an answer sets, in their order. */
export const cookiesIn = ({ headers }: Answer) =>
  (headers['set-cookie'] ?? []).map((line) => {
    const [pair = '', ...attributes] = line.split('; ');
    const equals = pair.indexOf('=');
    return {
      name: pair.slice(0, equals),
      value: pair.slice(equals + 1),
      attributes,
      isGone: attributes.includes('Max-Age=0'),
    };
  });
