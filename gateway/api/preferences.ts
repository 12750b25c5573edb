import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { changePreferences } from '../../commands/change-preferences.ts';
import type { PersonalData } from '../../infra/personal-data/port.ts';
import type { findPreferences } from '../../projections/preferences/queries.ts';
import type { Access, Asker } from './access.ts';
import { nothing, shows } from './answer-forms.ts';
import { forbidden, preconditionFailed, tooLarge, unprocessable } from './faults.ts';
import { operation } from './operation.ts';
import type { ApiPorts, Command, Query } from './ports.ts';

export interface PreferencesPorts {
  readonly find: Query<typeof findPreferences>;
  readonly change: Command<typeof changePreferences>;
  readonly personalData: Pick<PersonalData, 'open'>;
  /** Resolves when the preferences show the position. */
  reached(position: bigint): Promise<void>;
}

const maxBytes = 64 * 1024;
/** A setting deeper than that is no setting. */
const maxDepth = 16;

/** Whatever the portal puts there: the server keeps it and reads nothing of it. */
const kept = z.unknown().optional();
const preferencesForm = z
  .strictObject({
    pins: kept.describe('What stands at the top of lists'),
    views: kept.describe('Filters and orders of lists under a name'),
    columns: kept.describe('Which columns lists show'),
    settings: kept.describe('Everything else'),
  })
  .meta({ id: 'Preferences' });

const etagHeader = { ETag: 'Tells whether they are the same' };
/** The entity tag of who has set none. */
const noneTag = '"none"';
const tagOf = (fingerprint: string | undefined): string =>
  fingerprint === undefined ? noneTag : `"${fingerprint}"`;

/** How the portal looks to a user: beyond Harbor, whose portal keeps that in the browser. */
export function preferenceRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { find, change, personalData, reached } = ports.preferences;

  /** The user who asks. A token that was made for something else has nothing to do with them. */
  function selfOf({ principal }: Asker) {
    if (principal.kind === 'user') return principal;
    if (principal.kind === 'access-token') throw forbidden();
    throw preconditionFailed(`there are no preferences for security context: ${principal.kind}`);
  }

  operation(
    api,
    {
      id: 'getCurrentUserPreferences',
      tag: 'user',
      method: 'GET',
      path: '/users/current/preferences',
      summary: 'How the portal looks to the user who asks.',
      answer: { ...shows(preferencesForm), headers: etagHeader },
    },
    async ({ request, reply }) => {
      const { userId } = selfOf(await access.known(request));
      const stored = await find(userId);
      const [text] = stored === undefined ? [] : await personalData.open([{ userId, text: stored.sealed }]);
      reply.header('etag', tagOf(stored?.fingerprint));
      return text === undefined ? {} : JSON.parse(text);
    },
  );

  operation(
    api,
    {
      id: 'setCurrentUserPreferences',
      tag: 'user',
      method: 'PUT',
      path: '/users/current/preferences',
      summary: 'Replaces how the portal looks to the user who asks.',
      headers: { 'If-Match': 'The ETag of what may be replaced; without it, whatever is there' },
      body: preferencesForm,
      answer: { ...nothing, headers: etagHeader },
    },
    async ({ request, reply, body }) => {
      const asker = await access.known(request);
      const { userId, username } = selfOf(asker);
      const text = writtenOf(await body());
      const over = expectedOf(request);
      const { fingerprint, position } = await change({ userId, username, text, over }, asker.metadata);
      await reached(position);
      reply.header('etag', tagOf(fingerprint));
    },
  );
}

/** @throws RequestRefused 413 or 422 */
function writtenOf(preferences: z.output<typeof preferencesForm>): string {
  // Before it is written, since what is written recursively can be too deep for that.
  if (isDeeperThan(maxDepth, preferences))
    throw unprocessable(`body in body is nested at most ${maxDepth} levels deep`);
  const text = JSON.stringify(preferences);
  if (Buffer.byteLength(text) > maxBytes) throw tooLarge(`preferences have at most ${maxBytes} bytes`);
  return text;
}

const isDeeperThan = (levels: number, value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner)));

/** The fingerprints that `If-Match` names, null for that of none; undefined where it accepts whatever is there. */
function expectedOf({ headers }: FastifyRequest): (string | null)[] | undefined {
  const { 'if-match': written } = headers;
  if (written === undefined || written.trim() === '*') return undefined;
  // Weak ones match nothing (RFC 9110, section 13.1.1).
  return written
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => /^"[^"]*"$/.test(tag))
    .map((tag) => (tag === noneTag ? null : tag.slice(1, -1)));
}
