import { headers, type MsgHdrs } from 'nats';
import type { OutgoingEvent } from './port.ts';

/** Stands for the project in the subject of an event that belongs to none; no project can have the name. */
const noProject = '_';

/** JetStream and CloudEvents name the others. */
const positionHeader = 'Shiplog-Position';
const messageIdHeader = 'Nats-Msg-Id';

/**
 * `<prefix>.<project>.<type>`. The project is one token: whatever a subject cannot hold, dots and wildcards too, is
 * written as `%XX`. The dots of the type part tokens, so that `<prefix>.*.tag.>` is all that happens to tags.
 */
export const subjectOf = (
  prefix: string,
  { project, type }: Pick<OutgoingEvent, 'project' | 'type'>,
): string =>
  [prefix, project === undefined ? noProject : token(project), ...type.split('.').map(token)].join('.');

const token = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(
    /[.*!~'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  ) || '%';

/** `expected` is the sequence with which the stream ends until then, whereupon the server checks it. */
export function headersOf(
  { id, position }: OutgoingEvent,
  { streamName, expected }: { readonly streamName: string; readonly expected: number },
): MsgHdrs {
  const all = headers();
  all.set(messageIdHeader, id);
  all.set(positionHeader, String(position));
  all.set('Nats-Expected-Stream', streamName);
  all.set('Nats-Expected-Last-Sequence', String(expected));
  all.set('content-type', 'application/cloudevents+json; charset=utf-8');
  return all;
}

/** What `headersOf` wrote; undefined for a message of somebody else. */
export function eventIn(message: MsgHdrs): Pick<OutgoingEvent, 'id' | 'position'> | undefined {
  const id = message.get(messageIdHeader);
  const position = message.get(positionHeader);
  return id !== '' && /^\d{1,20}$/.test(position) ? { id, position: BigInt(position) } : undefined;
}

/** Without these nothing is a CloudEvent, and none can be found in the log. */
const always = ['specversion', 'id', 'source', 'type', 'time', 'sequence'];

/**
 * The event as JSON of at most `maxBytes`. One that is larger goes without its data, and where its attributes alone are, with
 * only those that none is without; its attribute `truncated` says so.
 */
export function payloadOf({ cloudEvent }: OutgoingEvent, maxBytes: number): Buffer {
  const whole = Buffer.from(JSON.stringify(cloudEvent));
  if (whole.length <= maxBytes) return whole;
  const { data: _, datacontenttype: __, ...attributes } = cloudEvent;
  const stripped = Buffer.from(JSON.stringify({ ...attributes, truncated: true }));
  if (stripped.length <= maxBytes) return stripped;
  const least = Object.fromEntries(Object.entries(attributes).filter(([name]) => always.includes(name)));
  return Buffer.from(JSON.stringify({ ...least, truncated: true }));
}
