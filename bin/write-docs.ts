import { writeFile } from 'node:fs/promises';
import { configurationReference } from '../infra/configuration/describe.ts';
import { eventCatalogue } from './event-catalogue.ts';
import { publicEventCatalogue } from './public-event-catalogue.ts';

/** `npm run docs`: writes the pages that follow from the code. */
await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationReference());
await writeFile(new URL('../docs/events.md', import.meta.url), eventCatalogue());
await writeFile(new URL('../docs/public-events.md', import.meta.url), publicEventCatalogue());
