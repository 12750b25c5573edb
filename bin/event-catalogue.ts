import { z } from 'zod';
import { type CataloguedEvent, catalogue } from '../domain/catalogue.ts';
import { mentionsOfUsers } from '../domain/user/mentions.ts';

interface Property {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly items?: Property;
}

/** `docs/events.md`: every event that Shiplog records, as its schemas say. */
export function eventCatalogue(): string {
  const byStream = Map.groupBy(catalogue.values(), ({ stream }) => stream);
  const sections = [...byStream].map(
    ([stream, events]) => `## \`${stream}\`\n\n${events.map(describe).join('\n')}`,
  );
  return `# Events

<!-- Written by \`npm run docs\` from the schemas in \`domain/\`. -->

Everything that changes the registry is one of these events. They are recorded as written here, in streams named as
the headings say, and are never changed: a new shape of an event is a new version, and older versions are brought up
to date when they are read.

Beside its data every event has a \`position\` in the log, the \`stream\` and its \`revision\` there, an \`id\` (UUIDv7),
its \`type\` and \`version\`, the time \`recordedAt\`, and \`metadata\`: \`actor\`, \`accessToken\`, \`requestId\`,
\`correlationId\`, \`causationId\`, \`traceparent\`, \`clientIp\`, \`userAgent\`, \`operation\`, \`reason\`.

Names of users stand in no event. Where the field of one says so, and in \`actor\` after \`user:\`, the log has
\`{"user":<number>}\`, or \`{"nobody":<encrypted name>}\` for a name that nobody bears; Shiplog fills in the name when it
reads the event, or \`erased-<number>\` for a user who was erased.

${sections.join('\n')}`;
}

const describe = ({
  type,
  description,
  schema,
  upcasters,
}: CataloguedEvent): string => `### ${type}, version ${upcasters.length + 1}

${description}

${fieldTable(schema, new Set(mentionsOfUsers[type]?.map(({ path: [name = ''] }) => name)))}
`;

/** A row for each field of an object, with what it means; `names` are the fields that hold names of users. */
export function fieldTable(schema: z.ZodType, names: ReadonlySet<string> = new Set()): string {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'output' }) as {
    properties?: Readonly<Record<string, Property>>;
    required?: readonly string[];
  };
  const rows = Object.entries(properties).map(
    ([name, property]) =>
      `| \`${name}\`${required.includes(name) ? '' : ' (optional)'} | ${typeOf(property)} | ${property.description ?? ''}${names.has(name) ? ' (a name of a user)' : ''} |`,
  );
  return `| field | type | meaning |
| --- | --- | --- |
${rows.join('\n')}`;
}

const typeOf = ({ type, items }: Property): string =>
  type === 'array' ? `array of ${items === undefined ? 'values' : typeOf(items)}` : String(type ?? 'value');
