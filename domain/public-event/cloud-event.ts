import { z } from 'zod';
import { digest } from '../digest.ts';
import { withoutUndefined } from '../without-undefined.ts';
import { actorKinds, type PublicEvent } from './public-event.ts';
import { results } from './publication.ts';

/** What all types begin with. */
export const cloudTypePrefix = 'io.shiplog.';

const text = z.string();

/** CloudEvents 1.0, JSON event format, structured mode; the names of extensions are lower-case letters. */
export const cloudEvent = z.object({
  specversion: z.literal('1.0').describe('The version of CloudEvents'),
  id: text.describe('The id of the event, a UUIDv7; the same wherever and however often it is told'),
  source: text.describe('The address of the registry'),
  type: text.describe('`io.shiplog.` and the type of the event'),
  subject: text.optional().describe('What it is about: repository:tag, repository@digest, or a name'),
  time: z.iso.datetime().describe('When it was recorded'),
  datacontenttype: z.literal('application/json').describe('The form of `data`'),
  sequence: text
    .regex(/^\d{20}$/)
    .describe('The position in the log, in 20 digits, so that text sorts as numbers do'),
  stream: text.describe('What it has happened to: the stream of the log'),
  streamrevision: text.describe('Its place in that stream, from 0'),
  project: text.optional().describe('The name that the project had'),
  projectid: z.int().optional().describe('The number of the project'),
  repository: text.optional().describe('The full name of the repository'),
  tag: text.optional().describe('The tag'),
  digest: digest.optional().describe('The digest of the manifest or blob'),
  actor: text
    .optional()
    .describe('Who did it, by name; absent for who may not know, and for nobody in particular'),
  actorkind: z
    .enum(actorKinds)
    .optional()
    .describe('Whether that is a user, a robot account, nobody known or the registry'),
  result: z.enum(results).describe('Whether it was done as it was meant, refused by a rule, or has failed'),
  correlationid: text.optional().describe('Shared by all events of one request or job'),
  causationid: text.optional().describe('The id of the event that led to this one'),
  reason: text.optional().describe('Why, in the words of who did it'),
  operation: text.optional().describe('The operation of the management API'),
  accesstoken: z
    .int()
    .optional()
    .describe('The number of the access token by which it was done; for readers of the log'),
  requestid: text.optional().describe('The id of the request; for readers of the log'),
  clientip: text.optional().describe('The address that it came from; for readers of the log'),
  useragent: text.optional().describe('What the client calls itself; for readers of the log'),
  data: z.record(text, z.unknown()).describe('By the type of the event'),
});
export type CloudEvent = z.infer<typeof cloudEvent>;

/** What of an event a reader may know. */
export interface Shown {
  /** Who did it, and why; of public projects strangers are not told. */
  readonly showsActor?: boolean;
  /** From where and by what request it was done. */
  readonly showsOrigin: boolean;
}

/** The event without what `shown` leaves out. */
export function shownOf(event: PublicEvent, { showsActor = true, showsOrigin }: Shown): PublicEvent {
  if (showsActor && showsOrigin) return event;
  const { clientIp: _1, userAgent: _2, requestId: _3, accessToken: _4, ...withoutOrigin } = event;
  if (showsActor) return withoutOrigin;
  const { actor: _5, reason: _6, ...withoutActor } = withoutOrigin;
  return withoutActor;
}

/** @param source the address of the registry */
export function cloudEventOf(
  event: PublicEvent,
  { source, ...shown }: Shown & { readonly source: string },
): CloudEvent {
  const told = shownOf(event, shown);
  const all = {
    specversion: '1.0',
    id: told.id,
    source,
    type: `${cloudTypePrefix}${told.type}`,
    subject: told.subject,
    time: told.time.toISOString(),
    datacontenttype: 'application/json',
    sequence: sequenceOf(told.position),
    stream: told.stream,
    streamrevision: String(told.revision),
    project: told.project,
    projectid: told.projectId,
    repository: told.repository,
    tag: told.tag,
    digest: told.digest,
    actor: told.actor?.name || undefined,
    actorkind: told.actor?.kind,
    result: told.result,
    correlationid: told.correlationId,
    causationid: told.causationId,
    reason: told.reason,
    operation: told.operation,
    accesstoken: told.accessToken,
    requestid: told.requestId,
    clientip: told.clientIp,
    useragent: told.userAgent,
    data: told.data,
  };
  return withoutUndefined(all) as CloudEvent;
}

export const sequenceOf = (position: bigint): string => String(position).padStart(20, '0');
