import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { addressIn, isNetwork } from '../../domain/audit/address.ts';
import { entryJson } from '../../domain/audit/formats.ts';
import { auditOperations, auditResourceTypes, resourceTypeOf } from '../../domain/audit/operations.ts';
import type { AuditQuestion } from '../../projections/audit/question.ts';
import type { AuditPlace } from '../../projections/audit/search.ts';
import type { Access } from './access.ts';
import { listsAfter, shows, time } from './answer-forms.ts';
import type { AuditPorts } from './audit-logs.ts';
import { auditScopes } from './audit-scopes.ts';
import { badRequest, notFound } from './faults.ts';
import { operation } from './operation.ts';
import { id, limit, limitOr } from './parameter-forms.ts';
import { cursorOf, findTexts } from './place-cursor.ts';
import type { ApiPorts } from './ports.ts';

const tag = 'auditlog';

const settings = z
  .record(z.string(), z.unknown())
  .nullable()
  .describe('Of settings; of a change the parts that have changed');
const listed = {
  id: z.int().describe('The position of the event in the log'),
  event_id: z.string().describe('The id of the event, by which everybody outside knows it'),
  time,
  operation: z.enum(auditOperations),
  resource_type: z.string(),
  resource: z.string(),
  description: z.string(),
  actor_kind: z.enum(['user', 'robot', 'anonymous', 'system']),
  actor: z.string(),
  credential: z.enum(['password', 'access-token', 'robot-secret']).nullable(),
  access_token: z.int().nullable().describe('The number of the access token by which a user did it'),
  address: z.string().nullable(),
  user_agent: z.string().nullable(),
  project_id: z.int().nullable(),
  result: z.enum(['success', 'failure']),
  reason: z.string().nullable().describe('In the words of who did it'),
  correlation_id: z.string().nullable().describe('What all events of one request or job share'),
  request_id: z.string().nullable(),
};
const listedEntry = z.object(listed).meta({ id: 'AuditEntry' });
const wholeEntry = z.object({ ...listed, before: settings, after: settings }).meta({ id: 'WholeAuditEntry' });

const maxLength = 512;
const words = z
  .string()
  .max(maxLength, `has at most ${maxLength} characters`)
  .refine((given) => !given.includes('\0') && given.isWellFormed(), 'must be text');
/** A parameter of the query; the same stands in the body of an export. */
const parameterOf = <Form extends z.ZodType>(form: Form, description: string) =>
  form.meta({ parameter: { type: 'string', description } });
const listOf = (known: readonly string[], what: string) =>
  words
    .transform((given) => given.split(',').map((name) => name.trim()))
    .refine((names) => names.every((name) => known.includes(name)), `must be ${what}, with commas between`);
const moment = z.iso
  .datetime({ offset: true, error: 'must be a time as RFC 3339 writes it' })
  .transform((given) => new Date(given))
  // What the database can compare with.
  .refine((at) => at.getUTCFullYear() >= 0 && at.getUTCFullYear() <= 9999, 'must be a time');

export const auditFilters = {
  actor: parameterOf(words, 'A user name, or the name of a robot with its prefix'),
  actor_kind: parameterOf(
    z.enum(['user', 'robot', 'anonymous', 'system'], {
      error: 'must be user, robot, anonymous or system',
    }),
    'user, robot, anonymous or system',
  ),
  operation: parameterOf(
    listOf(auditOperations, 'operations of the audit log'),
    'One, or several with commas between',
  ),
  resource_type: parameterOf(
    listOf(auditResourceTypes, 'types of resources'),
    'One, or several with commas between',
  ),
  resource: parameterOf(words, 'The whole of it, or its start and `*`'),
  project: parameterOf(words, 'The name of a project'),
  project_id: id,
  from: parameterOf(moment, 'From this time on'),
  to: parameterOf(moment, 'Before this time'),
  address: parameterOf(
    words.refine(isNetwork, 'must be an IP address or a network as CIDR writes it'),
    'An address, or a network as CIDR writes it',
  ),
  correlation_id: parameterOf(words, 'What all events of one request or job share'),
  request_id: parameterOf(words, 'The id of a request'),
  result: parameterOf(
    z.enum(['success', 'failure'], { error: 'must be success or failure' }),
    'success or failure',
  ),
  reason: parameterOf(words, 'What the reason contains, whatever the case'),
} as const;
export type AuditFilters = {
  readonly [Name in keyof typeof auditFilters]?: z.output<(typeof auditFilters)[Name]> | undefined;
};

type Ports = Pick<ApiPorts, 'configuration' | 'queries'> & AuditPorts;

/** What is asked for, but for whose entries are seen. */
export async function questionOf(
  { queries }: Pick<Ports, 'queries'>,
  filters: AuditFilters,
  robotPrefix: string,
): Promise<Omit<AuditQuestion, 'scope'>> {
  const { actor, operation: named, resource_type: types, resource, project, address } = filters;
  const isPrefix = resource?.endsWith('*') === true;
  const projectId =
    project === undefined ? filters.project_id : ((await queries.findProject(project))?.projectId ?? 0);
  // A network of one address is that.
  const network = address?.replace(/(?<=\..*)\/32$|(?<=:.*)\/128$/, '');
  const isOther = filters.project_id !== undefined && filters.project_id !== projectId;
  return {
    operations: auditOperations.filter(
      (operation) =>
        (named === undefined || named.includes(operation)) &&
        (types === undefined || types.includes(resourceTypeOf(operation))),
    ),
    ...(actor !== undefined && { actor: actorOf(actor, robotPrefix) }),
    actorKind: filters.actor_kind,
    ...(isPrefix ? { resourcePrefix: resource?.slice(0, -1) } : { resource }),
    projectId: isOther ? 0 : projectId,
    ...{ from: filters.from, until: filters.to },
    // An address of IPv4 in the form of IPv6 is kept as the former.
    address: addressIn(network) ?? network,
    ...{ correlationId: filters.correlation_id, requestId: filters.request_id, reason: filters.reason },
    ...(filters.result !== undefined && { succeeded: filters.result === 'success' }),
  };
}

/** Robots are kept without what their names begin with, which may change. */
function actorOf(name: string, robotPrefix: string) {
  if (robotPrefix === '') return { name, isRobot: undefined };
  const isRobot = name.startsWith(robotPrefix);
  return { name: isRobot ? name.slice(robotPrefix.length) : name, isRobot };
}

/** The audit log in full, beyond Harbor: every change, by all that is known of it. */
export function auditEntryRoutes(api: FastifyInstance, ports: Ports, access: Access): void {
  const { scopeOf } = auditScopes(ports, access);

  operation(
    api,
    {
      id: 'listAuditEntries',
      tag,
      method: 'GET',
      path: '/audit/entries',
      summary:
        'Entries of the audit log that all of what is asked is true of, in the order of time. A page may hold less than was asked for, and have a next one: no page costs more than a bounded search.',
      query: {
        ...auditFilters,
        order: parameterOf(
          z.enum(['newest', 'oldest'], { error: 'must be newest or oldest' }),
          'Which come first; the newest, where it is not said',
        ),
        after: parameterOf(words, 'Where the list goes on, as the Link of an answer says'),
        limit,
      },
      answer: listsAfter(listedEntry),
    },
    async ({ request, query: { order, after, limit: asked, ...filters } }) => {
      const scope = await scopeOf(request);
      const { robot_name_prefix: prefix } = await ports.configuration();
      const question = { ...(await questionOf(ports, filters, prefix)), scope };
      await ports.auditIsCurrent();
      const { entries, next } = await ports.searchAudit(question, {
        after: after === undefined ? undefined : placeIn(after),
        descending: order !== 'oldest',
        limit: limitOr(asked),
      });
      return {
        rows: entries.map((entry) => {
          const { before: _, after: __, ...shown } = entryJson(entry, prefix);
          return shown;
        }),
        total: undefined,
        next: next && cursorOf([next.at.toISOString(), next.id]),
      };
    },
  );

  operation(
    api,
    {
      id: 'getAuditEntry',
      tag,
      method: 'GET',
      path: '/audit/entries/:entry_id',
      summary: 'An entry with what settings were before and after, by its number or by the id of its event.',
      answer: shows(wholeEntry),
    },
    async ({ request, path: { entry_id } }) => {
      const scope = await scopeOf(request);
      const which = whichOf(entry_id);
      await ports.auditIsCurrent();
      const found = which && (await ports.findAuditEntry(which, scope));
      if (!found) throw notFound('no such entry in the audit log');
      const { robot_name_prefix: prefix } = await ports.configuration();
      return entryJson(found, prefix);
    },
  );
}

function whichOf(id: string) {
  if (/^\d{1,18}$/.test(id)) return { position: id };
  return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id) ? { eventId: id } : undefined;
}

/** @throws RequestRefused 400 for what no answer has given. */
function placeIn(cursor: string): AuditPlace {
  const [at = '', id = ''] = findTexts(cursor, 2) ?? [];
  if (
    !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(at) ||
    !/^\d{1,19}$/.test(id) ||
    BigInt(id) >= 2n ** 63n ||
    Number.isNaN(Date.parse(at))
  )
    throw badRequest('after in query is what the Link of an answer says');
  return { at: new Date(at), id };
}
