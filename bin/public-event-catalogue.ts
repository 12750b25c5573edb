import { cloudEvent } from '../domain/public-event/cloud-event.ts';
import { filterKeys } from '../domain/public-event/filter.ts';
import { type PublicType, publicTypes } from '../domain/public-event/public-event.ts';
import { fieldTable } from './event-catalogue.ts';

/** `docs/public-events.md`: every event that the outside is told, as its schemas say. */
export function publicEventCatalogue(): string {
  const keys = Object.entries(filterKeys).map(([key, meaning]) => `| \`${key}\` | ${meaning} |`);
  return `# Public events

<!-- Written by \`npm run docs\` from \`domain/public-event/\`. -->

What Shiplog tells others of what has happened: by server-sent events and pages of \`GET /api/v2.0/events\`, and wherever
else events leave the registry. Types and fields stay as they are once they are released; fields may join.

An event is a CloudEvent 1.0 in the JSON format:

${fieldTable(cloudEvent)}

Who is told of an event depends on what it says: \`read\` is for whoever may pull from the repositories of the project,
\`member\` for whoever has a role in it,
\`log\` for whoever may read the log of the project, \`system\` for whoever may read the log of the whole system.

A filter has terms such as \`type:tag.*\`, which may have these keys:

| key | meaning |
| --- | --- |
${keys.join('\n')}

| type | for whom |
| --- | --- |
${publicTypes.map(({ type, need }) => `| [\`${type}\`](#${type.replaceAll('.', '')}) | \`${need}\` |`).join('\n')}

${publicTypes.map(describe).join('\n')}`;
}

const describe = ({ type, description, schema }: PublicType): string => `## ${type}

${description}

${fieldTable(schema)}
`;
